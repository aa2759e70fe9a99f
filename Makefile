# Each target calls a script of ci/ or cargo, where the work is.
.PHONY: demo test bench soak dist

demo:
	ci/demo

test:
	ci/setup
	ci/all

bench:
	ci/bench

soak:
	ci/soak

dist:
	ci/dist
