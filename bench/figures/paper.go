package figures

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The figures of Gerritsen and Liu, "DistGo: Prototyping and analysis of a distributed variant of the Golang build
// process" (2024), as numbers read off the plots to about a pixel: ten programs on DAS-5, 1 to 8 nodes of 1 to 16 workers.
//
//go:embed paper.csv
var paperText string

// Citation is what a picture with the prototype's curves says of them.
const Citation = "prototype: Gerritsen and Liu 2024, DAS-5, Go 1.21.6, read off their figures"

// A paperPoint is one marker of their figures.
type paperPoint struct {
	project, measure string
	nodes, cores     int
	seconds          float64
}

func readPaper(text string) ([]paperPoint, error) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	var points []paperPoint
	for _, row := range rows[1:] {
		p := paperPoint{project: row[0], measure: row[1]}
		var errs [3]error
		p.nodes, errs[0] = strconv.Atoi(row[2])
		p.cores, errs[1] = strconv.Atoi(row[3])
		p.seconds, errs[2] = strconv.ParseFloat(row[4], 64)
		for _, err := range errs {
			if err != nil {
				return nil, fmt.Errorf("the prototype's figures: %w", err)
			}
		}
		points = append(points, p)
	}
	return points, nil
}

// paperName is what their figures call a program of the manifest.
func paperName(program string) string {
	program, _, _ = strings.Cut(program, "@")
	switch strings.ToLower(program) {
	case "bubblepl-go":
		return "bubblepl"
	case "go-cyclic":
		return "go-cycle"
	}
	return strings.ToLower(program)
}

// paperCurves are the prototype's curves of a measure for a program, by axis; nil where the paper has none.
func paperCurves(points []paperPoint, program, measure string, ax axis) map[int][]xy {
	curves := map[int][]xy{}
	for _, p := range points {
		if strings.ToLower(p.project) == paperName(program) && p.measure == measure {
			x, key := ax.of(p.nodes, p.cores)
			curves[key] = append(curves[key], xy{x, p.seconds})
		}
	}
	return curves
}

// inPaper says that the prototype was measured with the campaign's program.
func (c *Campaign) inPaper(points []paperPoint) bool {
	return slices.ContainsFunc(points, func(p paperPoint) bool { return strings.ToLower(p.project) == paperName(c.Program) })
}
