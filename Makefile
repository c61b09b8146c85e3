# distgo: make builds it, make help lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
GO ?= go

.PHONY: all distgo help demo test check check-all identity matrix launchers figures slurm-test speed chaos load loss fuzz clean

all: distgo

distgo: ## build ./distgo
	$(GO) build -trimpath -o distgo .

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: distgo ## build a real program (distgo itself) on four ranks of this machine and start it
	mkdir -p out
	./prun.sh -np 4 ./distgo -p . -m . -o out/distgo-by-distgo --slots $$((($$(nproc) + 3) / 4))
	./out/distgo-by-distgo --version

# Packages that start no goroutine (layering_test.go): the race detector sees nothing there and makes simulations eight
# times slower.
ALONE := ./plan/... ./rank/superstep/... ./bench/figures ./bench/page ./bench/simulate

test: ## what the README calls: all tests of the fast tier, with the race detector where goroutines are
	$(GO) test -short $(ALONE)
	$(GO) test -race -short $$($(GO) list ./... | grep -vxF "$$($(GO) list $(ALONE))")

check: ## what CI runs: format, vet, staticcheck, tests, samples of the identity table and the matrix
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet -tags slow ./...
	$(GO) tool staticcheck -tags slow ./...
	$(MAKE) test
	$(MAKE) distgo
	testdata/identity.sh --self
	SIZES=3 testdata/matrix.sh --sample

check-all: check identity ## everything, the slow tier too (hours on two cores)
	DISTGO_SLOW=1 $(GO) test -tags slow -timeout 60m ./...

matrix: distgo ## what is built and what is refused, mode by mode, and what is said about broken programs (slow)
	testdata/matrix.sh
	$(GO) test -run TestWords . -words

identity: distgo ## same bytes as go build: PROGRAMS=dir:main... for programs of your own
	testdata/identity.sh $(PROGRAMS)

launchers: distgo ## under the real mpirun, mpiexec.hydra, srun, prun's stand-in and ssh (installs them, as root)
	testdata/launchers.sh $(if $(filter 0,$(shell id -u)),--install) $(LAUNCHERS)

figures: distgo ## measure on an emulated cluster and draw (root, a quiet machine, an hour or two; ONLY="small draw", TIER=short)
	bench/emulated.sh $(ONLY)

slurm-test: distgo ## the DAS-5 scripts on a Slurm of eight virtual nodes and on the emulated cluster (root, ten minutes)
	bench/das5/try.sh --install

speed: distgo ## distgo against go build in one table (a quiet machine, root, a night; ONLY="bare table")
	bench/speed.sh $(ONLY)

chaos: ## kill, stop, damage: TRIALS=200 on real processes, SEED="5 47" repeats those
	DISTGO_CHAOS=$(or $(TRIALS),200) SEED='$(SEED)' $(GO) test -timeout 0 -count 1 -run TestChaos -v .

load: distgo ## 64 ranks, RUNS=1000 in a row, ten runs at once by two users (root); what they leave behind
	testdata/load.sh $(if $(RUNS),-r $(RUNS))
	DISTGO_RUNS=$(or $(RUNS),1000) $(GO) test -timeout 0 -count 1 -run TestManyRuns -v ./rank

loss: distgo ## PROGRAM="DIR MAIN": what losing one of four ranks costs, and what root's death leaves (a quiet machine)
	testdata/loss.sh $(PROGRAM)

fuzz: ## every decoder, FUZZTIME=3m each
	@for file in $$(git grep -l '^func Fuzz' -- '*_test.go'); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z]*\)(.*/\1/p' $$file); do \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(or $(FUZZTIME),3m) ./$$(dirname $$file); \
		done; done

clean: ## remove what make made
	rm -rf distgo out
