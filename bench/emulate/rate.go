package emulate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Rate is a network rate in bits per second; 0 is unlimited.
type Rate int64

// rateUnits are decimal, as network rates are. tc's "bps" is left out on purpose: there it means bytes.
var rateUnits = []struct {
	suffix string
	bits   float64
}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}}

// ParseRate reads "1gbit", "56.5mbit", "800kbit", "9600bit", or "unlimited".
func ParseRate(s string) (Rate, error) {
	if s == "unlimited" || s == "0" {
		return 0, nil
	}
	for _, unit := range rateUnits {
		number, ok := strings.CutSuffix(s, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		bits := math.Round(n * unit.bits)
		// A tenth of a kilobit to a terabit: below, a frame takes minutes; above, it is a typing error.
		if err != nil || !(bits >= 100 && bits <= 1e12) {
			break
		}
		return Rate(bits), nil
	}
	return 0, fmt.Errorf("network rate %q is not a number with a unit, as 1gbit, 100mbit or unlimited", s)
}

// String prints what ParseRate reads, in the largest unit that leaves a short number.
func (r Rate) String() string {
	if r == 0 {
		return "unlimited"
	}
	for _, unit := range rateUnits {
		if float64(r) >= unit.bits {
			return strconv.FormatFloat(float64(r)/unit.bits, 'f', -1, 64) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(r), 10) + "bit"
}
