# Each target calls a script of ci/ or cargo, where the work is.
.PHONY: demo test bench bench-track bench-compare soak dist

demo:
	ci/demo

test:
	ci/setup
	ci/all

bench:
	ci/bench

bench-track:
	ci/bench-track

bench-compare:
	benches/compare/run

soak:
	ci/soak

dist:
	ci/dist
