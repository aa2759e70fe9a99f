# Sourced by every script of this directory: strict mode, the repository root, and a scratch directory on demand.
# shellcheck shell=bash disable=SC2034 # the variables are for the scripts that source this
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Native libraries that a program linked with liblogfusion.a needs; README gives the same line. What Rust itself says:
#   cargo rustc --release --crate-type staticlib -- --print native-static-libs
LINK_LIBS=(-lpthread -ldl -lm "-Wl,--gc-sections")
TARGET_DIR="${CARGO_TARGET_DIR:-target}"
STATIC_LIB="$TARGET_DIR/release/liblogfusion.a"

# One release build for all jobs: with SQLite, which a program that does not use it does not link.
build_release() {
    cargo build --release --locked --lib --features sqlite
}

# Makes the directory $SCRATCH, which is removed when the script ends.
make_scratch() {
    SCRATCH="$(mktemp -d)"
    trap 'rm -rf "$SCRATCH"' EXIT
}
