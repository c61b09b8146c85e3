package figures

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/badbubble/distgo/bench/sample"
	"github.com/badbubble/distgo/bench/simulate"
)

// A Campaign is what one picture may compare: the samples of one program at one commit, through one launcher over one
// network, and one variant of distgo, on equal nodes or with the same slow one, with its baselines.
type Campaign struct {
	Program, Commit, Launcher, Net, Slow, Variant string

	groups map[at]*sample.Group
	// Others are cells that were measured under a further dilation: what that is worth, for tables.
	Others []*sample.Group

	beyond *simulate.Result // once it was asked for
}

// at is where a campaign's cells differ.
type at struct {
	builder      sample.Builder
	nodes, cores int
	barrier      string
	cache        string
}

// Campaigns sorts samples that count. Where a cell was measured under several dilations, the least is shown.
func Campaigns(good []sample.Sample) (campaigns []*Campaign) {
	groups := sample.ByCell(good)
	place := func(c sample.Cell) Campaign {
		return Campaign{Program: c.Program, Commit: c.Commit, Launcher: c.Launcher, Net: c.Net, Slow: c.Slow, Variant: c.Variant}
	}
	find := func(of Campaign) *Campaign {
		for _, c := range campaigns {
			if c.Program == of.Program && c.Commit == of.Commit && c.Launcher == of.Launcher && c.Net == of.Net && c.Slow == of.Slow && c.Variant == of.Variant {
				return c
			}
		}
		of.groups = map[at]*sample.Group{}
		campaigns = append(campaigns, &of)
		return &of
	}
	for i := range groups {
		if groups[i].Cell.Builder == sample.Distgo {
			find(place(groups[i].Cell)).add(&groups[i])
		}
	}
	for i := range groups {
		of := place(groups[i].Cell)
		if groups[i].Cell.Builder != sample.GoBuild {
			continue
		}
		shared := false
		for _, c := range campaigns {
			if c.Program == of.Program && c.Commit == of.Commit && c.Launcher == of.Launcher && c.Net == of.Net {
				c.add(&groups[i])
				shared = true
			}
		}
		if !shared {
			find(of).add(&groups[i])
		}
	}
	slices.SortStableFunc(campaigns, func(a, b *Campaign) int {
		return cmp.Or(cmp.Compare(a.Program, b.Program), cmp.Compare(a.Launcher, b.Launcher), cmp.Compare(a.Commit, b.Commit), cmp.Compare(a.Net, b.Net), cmp.Compare(a.Slow, b.Slow), cmp.Compare(a.Variant, b.Variant))
	})
	return campaigns
}

// add takes a cell's samples in. Groups come in the order of their dilation.
func (c *Campaign) add(g *sample.Group) {
	where := at{g.Cell.Builder, g.Cell.Nodes, g.Cell.Cores, g.Cell.Barrier, g.Cell.Cache}
	if c.groups[where] != nil {
		c.Others = append(c.Others, g)
		return
	}
	c.groups[where] = g
}

// Distgo returns the samples of distgo on a world, or nil.
func (c *Campaign) Distgo(nodes, cores int, barrier string) *sample.Group {
	return c.groups[at{sample.Distgo, nodes, cores, barrier, sample.Cold}]
}

// GoBuild returns the samples of go build on one node of so many cores, or nil.
func (c *Campaign) GoBuild(cores int, cache string) *sample.Group {
	return c.groups[at{sample.GoBuild, 1, cores, "", cache}]
}

// Groups returns all of it, in the order of tables.
func (c *Campaign) Groups() []*sample.Group {
	return slices.SortedFunc(maps.Values(c.groups), func(a, b *sample.Group) int { return sample.Compare(a.Cell, b.Cell) })
}

// barriers, nodes and cores are the values that distgo was measured with, ascending; split before blocking.
func (c *Campaign) barriers() []string {
	found := map[string]bool{}
	for w := range c.groups {
		if w.builder == sample.Distgo {
			found[w.barrier] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b string) int { return cmp.Compare(b, a) })
}

func (c *Campaign) distinct(of func(at) int) []int {
	found := map[int]bool{}
	for w := range c.groups {
		if w.builder == sample.Distgo {
			found[of(w)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func (c *Campaign) nodes() []int { return c.distinct(func(w at) int { return w.nodes }) }
func (c *Campaign) cores() []int { return c.distinct(func(w at) int { return w.cores }) }

// goCores are the core counts that go build was measured with.
func (c *Campaign) goCores(cache string) []int {
	found := map[int]bool{}
	for w := range c.groups {
		if w.builder == sample.GoBuild && w.cache == cache {
			found[w.cores] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// any is a sample of the campaign, for what all of them share.
func (c *Campaign) any() *sample.Sample {
	for _, g := range c.Groups() {
		return &g.Samples[0]
	}
	return nil
}

// span is the least and greatest number of samples that a median is of.
func (c *Campaign) span() (least, greatest int) {
	for _, g := range c.groups {
		n := len(g.Samples)
		if least == 0 || n < least {
			least = n
		}
		greatest = max(greatest, n)
	}
	return least, greatest
}

// Least is the group of the same cell under its least dilation, which the pictures show.
func (c *Campaign) Least(of sample.Cell) *sample.Group {
	return c.groups[at{of.Builder, of.Nodes, of.Cores, of.Barrier, of.Cache}]
}

// Owns says that a picture is of this campaign.
func (c *Campaign) Owns(f *Figure) bool { return f.of == c }

// apart is in what its cells differ from the usual ones: the experimenter's word for it, and the slow node.
func (c *Campaign) apart() (parts []string) {
	if c.Variant != "" {
		parts = append(parts, c.Variant)
	}
	if node, times, ok := strings.Cut(c.Slow, ":"); ok {
		parts = append(parts, fmt.Sprintf("node %s %s times slower", node, times))
	}
	return parts
}

// Apart is that in a table's words, "" for the usual ones.
func (c *Campaign) Apart() string { return strings.Join(c.apart(), ", ") }
