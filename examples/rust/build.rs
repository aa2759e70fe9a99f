//! Finds SDL2 for `graphics.rs`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // For that program alone: the other one is not to be linked with it.
    let sdl = pkg_config::Config::new().atleast_version("2.0.22").cargo_metadata(false).probe("sdl2");
    let sdl = match sdl {
        Ok(sdl) => sdl,
        Err(_) => {
            // It can still be checked, and the other programs built.
            println!("cargo::warning=pkg-config finds no sdl2 (Debian: libsdl2-dev): `graphics` can't be linked");
            return;
        }
    };
    let paths = sdl.link_paths.iter().map(|path| format!("-L{}", path.display()));
    let libraries = sdl.libs.iter().map(|library| format!("-l{library}"));
    for argument in paths.chain(libraries) {
        println!("cargo::rustc-link-arg-bin=graphics={argument}");
    }
}
