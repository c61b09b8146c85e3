package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/badbubble/distgo/plan/transcript"
)

// diamond is a, then b and c, then a link of all three.
func diamond() *Plan {
	p := &Plan{
		Actions: []Action{
			{ID: 0, Kind: Compile, Package: "a", Node: "b002", Cost: 10, Outputs: []ArtifactID{0, 1}},
			{ID: 1, Kind: Compile, Package: "b", Node: "b003", Group: 1, Cost: 20, Inputs: []ArtifactID{0}, Outputs: []ArtifactID{2}},
			{ID: 2, Kind: Compile, Package: "c", Node: "b004", Group: 1, Cost: 5, Inputs: []ArtifactID{0}, Outputs: []ArtifactID{3}},
			{ID: 3, Kind: Link, Package: "main", Node: "b001", Group: 2, Cost: 7, Inputs: []ArtifactID{1, 2, 3}},
		},
		Artifacts: []Artifact{
			{ID: 0, Kind: Export, Path: "b002/_pkg_.x", Producer: 0, Consumers: []ActionID{1, 2}},
			{ID: 1, Kind: Object, Path: "b002/_pkg_.a", Producer: 0, Consumers: []ActionID{3}},
			{ID: 2, Kind: Object, Path: "b003/_pkg_.a", Producer: 1, Consumers: []ActionID{3}},
			{ID: 3, Kind: Object, Path: "b004/_pkg_.a", Producer: 2, Consumers: []ActionID{3}},
		},
		Owner: []Rank{0, 1, 2, 0},
	}
	for i := range p.Actions {
		a := &p.Actions[i]
		a.Lead = a.Cost
		a.Steps = []transcript.Command{
			{Op: transcript.Mkdir, Args: []string{transcript.Work + a.Node + "/"}},
			{Op: transcript.Run, Args: []string{"/go/compile"}},
		}
	}
	link := &p.Actions[3]
	link.Steps = append(link.Steps,
		transcript.Command{Op: transcript.Mkdir, Args: []string{"/home/me/bin/"}},
		transcript.Command{Op: transcript.Move, Args: []string{"$WORK/b001/exe/a.out", "/home/me/bin/main"}})
	p.Priority = BottomLevels(p)
	return p
}

func TestValidate(t *testing.T) {
	if err := diamond().Validate(3); err != nil {
		t.Fatal(err)
	}
	if err := new(Plan).Validate(1); err != nil {
		t.Errorf("an empty plan: %v", err)
	}
	step := func(a ActionID, c transcript.Command) func(*Plan) {
		return func(p *Plan) { p.Actions[a].Steps = append(p.Actions[a].Steps, c) }
	}
	helped := func(a ActionID, by ...Rank) func(*Plan) {
		return func(p *Plan) {
			p.Pipelined, p.Helpers = true, make([][]Rank, len(p.Actions))
			p.Helpers[a] = by
		}
	}
	shared := diamond()
	if helped(1, 2, 0)(shared); shared.Validate(3) != nil {
		t.Errorf("an action with helpers: %v", shared.Validate(3))
	}
	for _, c := range []struct {
		rank      Rank
		share, of int
	}{{0, 2, 3}, {1, 0, 3}, {2, 1, 3}} {
		if share, of := shared.Share(1, c.rank); share != c.share || of != c.of {
			t.Errorf("rank %d compiles share %d of %d, expected %d of %d", c.rank, share, of, c.share, c.of)
		}
	}
	for name, c := range map[string]struct {
		broken func(*Plan)
		says   string
	}{
		"owners":                      {func(p *Plan) { p.Owner = p.Owner[1:] }, "has 3 owners"},
		"priorities":                  {func(p *Plan) { p.Priority = nil }, "0 priorities"},
		"a rank beyond the world":     {func(p *Plan) { p.Owner[2] = 3 }, "on rank 3 of 3"},
		"a rank below it":             {func(p *Plan) { p.Owner[2] = -1 }, "on rank -1"},
		"an action's number":          {func(p *Plan) { p.Actions[1].ID = 2 }, "action 1 of the plan is misnumbered"},
		"a group below zero":          {func(p *Plan) { p.Actions[0].Group = -1 }, "in group -1"},
		"a group beyond all":          {func(p *Plan) { p.Actions[3].Group = 1 << 30 }, "in group 1073741824"},
		"an input in its own group":   {func(p *Plan) { p.Actions[1].Group = 0 }, "not in an earlier group"},
		"a cycle":                     {func(p *Plan) { p.Actions[0].Inputs = []ArtifactID{2}; p.Artifacts[2].Consumers = []ActionID{0, 3} }, "not in an earlier group"},
		"a node outside":              {func(p *Plan) { p.Actions[1].Node = "../b003" }, "outside the scratch directory"},
		"a node below another":        {func(p *Plan) { p.Actions[1].Node = "b003/x" }, "outside the scratch directory"},
		"an artifact's number":        {func(p *Plan) { p.Artifacts[2].ID = 3 }, "artifact 2 of the plan is misnumbered"},
		"a producer beyond all":       {func(p *Plan) { p.Artifacts[2].Producer = 4 }, "no producer"},
		"a producer below zero":       {func(p *Plan) { p.Artifacts[2].Producer = -1 }, "no producer"},
		"another producer":            {func(p *Plan) { p.Artifacts[2].Producer = 2 }, "makes artifact 2"},
		"an absolute path":            {func(p *Plan) { p.Artifacts[0].Path = "/etc/passwd" }, "outside the scratch directory"},
		"a path that climbs":          {func(p *Plan) { p.Artifacts[0].Path = "b002/../../x" }, "outside the scratch directory"},
		"no path":                     {func(p *Plan) { p.Artifacts[0].Path = "" }, "outside the scratch directory"},
		"a path twice":                {func(p *Plan) { p.Artifacts[1].Path = "b002/_pkg_.x" }, "artifacts 0 and 1"},
		"a reader beyond all":         {func(p *Plan) { p.Artifacts[3].Consumers = []ActionID{4} }, "read by action 4 of 4"},
		"a reader below zero":         {func(p *Plan) { p.Artifacts[3].Consumers = []ActionID{-1} }, "read by action -1"},
		"a reader that does not know": {func(p *Plan) { p.Actions[3].Inputs = []ArtifactID{1, 2} }, "action 3 reads artifact 3"},
		"a reader that is not known":  {func(p *Plan) { p.Artifacts[3].Consumers = nil }, "action 3 reads artifact 3"},
		"a reader counted twice":      {func(p *Plan) { p.Artifacts[0].Consumers = []ActionID{1, 1, 2} }, "action 1 reads artifact 0"},
		"an input counted twice":      {func(p *Plan) { p.Actions[1].Inputs = []ArtifactID{0, 0} }, "action 1 reads artifact 0"},
		"both counted twice": {func(p *Plan) {
			p.Actions[1].Inputs, p.Artifacts[0].Consumers = []ArtifactID{0, 0}, []ActionID{1, 1, 2}
		}, "action 1 reads artifact 0"},
		"an input beyond all":         {func(p *Plan) { p.Actions[3].Inputs = []ArtifactID{1, 2, 3, 4} }, "artifact 4 of 4"},
		"an input below zero":         {func(p *Plan) { p.Actions[3].Inputs = []ArtifactID{-1, 1, 2, 3} }, "artifact -1"},
		"an output that is not known": {func(p *Plan) { p.Actions[3].Outputs = []ArtifactID{4} }, "makes artifact 4 of 4"},
		"an output of two":            {func(p *Plan) { p.Actions[2].Outputs = []ArtifactID{2, 3} }, "action 2 makes artifact 2"},
		"an output nobody claims":     {func(p *Plan) { p.Actions[2].Outputs = nil }, "action 2 makes artifact 3"},

		"helpers of other actions":   {func(p *Plan) { p.Helpers = [][]Rank{{2}} }, "has helpers of 1"},
		"helpers of a link":          {helped(3, 1), "a link, has helpers"},
		"a helper beyond the world":  {helped(1, 3), "is helped by ranks [3] of 3"},
		"a helper below it":          {helped(1, -1), "is helped by ranks [-1]"},
		"an owner that helps":        {helped(1, 2, 1), "of rank 1 is helped by ranks [2 1]"},
		"a helper twice":             {helped(1, 2, 0, 2), "is helped by ranks [2 0 2]"},
		"more shares than there are": {helped(1, 0, 2, 3, 4, 5, 6, 7, 8), "divided into 9 shares"},
		"helpers of a stock compile": {func(p *Plan) { helped(1, 2)(p); p.Pipelined = false }, "cannot be shared"},
		"helpers of two compiles": {func(p *Plan) {
			helped(1, 2)(p)
			p.Actions[1].Steps = append(p.Actions[1].Steps, p.Actions[1].Steps[1])
		}, "cannot be shared"},

		"a compile that writes outside":    {step(1, transcript.Command{Op: transcript.Copy, Args: []string{"$WORK/b003/_pkg_.a", "/home/me/lib.a"}}), "writes outside the scratch directory"},
		"a compile that makes a directory": {step(1, transcript.Command{Op: transcript.Mkdir, Args: []string{"/home/me/lib/"}}), "writes outside"},
		"a link that removes outside":      {step(3, transcript.Command{Op: transcript.Remove, Args: []string{"/home/me"}}), "writes outside"},
		"a link that climbs":               {step(3, transcript.Command{Op: transcript.Write, Args: []string{"$WORK/../x"}}), "writes outside"},
		"output of a tool outside":         {step(0, transcript.Command{Op: transcript.Run, Args: []string{"/go/compile"}, Stdout: "/etc/passwd"}), "writes outside"},
		"a copy without a target":          {step(3, transcript.Command{Op: transcript.Copy, Args: []string{"/home/me/x"}}), "has 1 arguments"},
		"no tool":                          {step(3, transcript.Command{Op: transcript.Run}), "has 0 arguments"},
		"a join of one":                    {step(3, transcript.Command{Op: transcript.Join, Args: []string{"a", "b"}}), "has 2 arguments"},
	} {
		p := diamond()
		c.broken(p)
		if err := p.Validate(3); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected words of %q", name, err, c.says)
		}
	}
}

func TestGraph(t *testing.T) {
	p := diamond()
	if got := fmt.Sprint(p.Groups()); got != "[[0] [1 2] [3]]" {
		t.Errorf("groups %s", got)
	}
	var dependents, dependencies []ActionID
	p.Dependents(0, func(a ActionID) { dependents = append(dependents, a) })
	p.Dependencies(3, func(a ActionID) { dependencies = append(dependencies, a) })
	if !slices.Equal(dependents, []ActionID{1, 2, 3}) || !slices.Equal(dependencies, []ActionID{0, 1, 2}) {
		t.Errorf("dependents of 0 are %v, dependencies of 3 are %v", dependents, dependencies)
	}
	if got := p.Targets(); !slices.Equal(got, []string{"/home/me/bin/main"}) {
		t.Errorf("targets %v", got)
	}
	if n := p.Actions[0].Commands(); n != 1 {
		t.Errorf("%d commands", n)
	}
}

func TestBottomLevels(t *testing.T) {
	p := diamond()
	if want := []int64{37, 27, 12, 7}; !slices.Equal(p.Priority, want) {
		t.Errorf("bottom levels %v, expected %v", p.Priority, want)
	}
	// Pipelined, importers start earlier; the link does not.
	p.Actions[0].Lead = 4
	if want := []int64{31, 27, 12, 7}; !slices.Equal(BottomLevels(p), want) {
		t.Errorf("with early export data %v, expected %v", BottomLevels(p), want)
	}
	p.Actions[1].Cost, p.Actions[1].Lead, p.Actions[2].Cost, p.Actions[2].Lead = 1, 1, 1, 1
	if want := []int64{17, 8, 8, 7}; !slices.Equal(BottomLevels(p), want) {
		t.Errorf("with a link that waits for the whole of a %v, expected %v", BottomLevels(p), want)
	}
}

func TestPipeline(t *testing.T) {
	p := diamond()
	p.Actions[1].Cost = 20_000
	p.Pipeline()
	if lead := int64(costStart + 20_000*frontEnd); !p.Pipelined || p.Actions[1].Lead != lead || p.Actions[0].Lead != 10 || p.Actions[3].Lead != 7 || p.After(&p.Artifacts[2]) != 20_000 {
		t.Errorf("pipelined %v, leads %d and %d, object after %d", p.Pipelined, p.Actions[1].Lead, p.Actions[3].Lead, p.After(&p.Artifacts[2]))
	}
}

// random is a plan of n compiles in any order of IDs that the groups allow, and a link.
func random(rng *rand.Rand, n int) *Plan {
	p := &Plan{Owner: make([]Rank, n+1)}
	link := Action{ID: ActionID(n), Kind: Link, Package: "main", Cost: 1 + rng.Int64N(50)}
	for i := range n {
		a := Action{ID: ActionID(i), Kind: Compile, Package: fmt.Sprint("p", i), Cost: 1 + rng.Int64N(100)}
		a.Lead = 1 + rng.Int64N(a.Cost)
		for range rng.IntN(4) {
			if i == 0 {
				break
			}
			export := ArtifactID(2 * rng.IntN(i))
			if !slices.Contains(a.Inputs, export) {
				a.Inputs = append(a.Inputs, export)
				f := &p.Artifacts[export]
				f.Consumers = append(f.Consumers, a.ID)
				a.Group = max(a.Group, p.Actions[f.Producer].Group+1)
			}
		}
		for _, kind := range []ArtifactKind{Export, Object} {
			f := Artifact{ID: ArtifactID(len(p.Artifacts)), Kind: kind, Path: fmt.Sprintf("b%d/%d", i, kind), Producer: a.ID}
			if kind == Object {
				f.Consumers = []ActionID{link.ID}
				link.Inputs = append(link.Inputs, f.ID)
			}
			a.Outputs = append(a.Outputs, f.ID)
			p.Artifacts = append(p.Artifacts, f)
		}
		link.Group = max(link.Group, a.Group+1)
		p.Actions = append(p.Actions, a)
	}
	link.Lead = link.Cost
	p.Actions = append(p.Actions, link)
	p.Priority = make([]int64, n+1)
	return p
}

// The longest chain, found by walking all of them.
func longest(p *Plan, a ActionID) int64 {
	best := p.Actions[a].Cost
	for _, out := range p.Actions[a].Outputs {
		f := &p.Artifacts[out]
		after := p.Actions[a].Cost
		if f.Kind == Export {
			after = p.Actions[a].Lead
		}
		for _, c := range f.Consumers {
			best = max(best, after+longest(p, c))
		}
	}
	return best
}

func TestBottomLevelsAreLongestChains(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		p := random(rng, 1+rng.IntN(12))
		if err := p.Validate(1); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for a, level := range BottomLevels(p) {
			if want := longest(p, ActionID(a)); level != want {
				t.Fatalf("seed %d: bottom level of %d is %d, its longest chain %d", seed, a, level, want)
			}
		}
	}
}

func TestLast(t *testing.T) {
	p := diamond()
	if last, ok := p.Last(); !ok || last != 3 {
		t.Errorf("the last action is %d, %v; want 3", last, ok)
	}
	p.Actions = append(p.Actions, Action{ID: 4, Kind: Link}) // of another program
	if last, ok := p.Last(); ok {
		t.Errorf("action %d is the last, but two programs are linked", last)
	}
	if _, ok := new(Plan).Last(); ok {
		t.Error("an empty plan has a last action")
	}
}
