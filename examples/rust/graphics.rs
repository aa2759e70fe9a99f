//! A program that draws with SDL2, and whose log is one: what the program says, what its wrapper says, and what SDL itself
//! says, each where it belongs.
//!
//! ```text
//! SDL_VIDEODRIVER=dummy LOGFUSION_LOG=debug cargo run -p examples --bin graphics
//! ```
//!
//! `#[instrument]` puts each call of the wrapper into a span. SDL's own messages come through its log callback, which C calls:
//! there, `ffi_info!` and its like are used, which never unwind.

use logfusion::{CText, error, ffi_debug, ffi_error, ffi_info, ffi_trace, ffi_warn, info, instrument};
use std::error::Error;
use std::ffi::{c_char, c_int, c_void};
use std::fmt;
use std::process::ExitCode;
use std::ptr::null;

/// What the program uses of `SDL.h`.
mod sdl {
    use std::ffi::{c_char, c_int, c_void};

    pub enum Window {}
    pub enum Renderer {}
    pub enum Texture {}

    pub const INIT_VIDEO: u32 = 0x20;
    pub const WINDOW_HIDDEN: u32 = 0x8;
    pub const RENDERER_SOFTWARE: u32 = 0x1;
    pub const PIXELFORMAT_ARGB8888: u32 = 0x1636_2004;
    pub const TEXTUREACCESS_STREAMING: c_int = 1;
    pub const LOG_PRIORITY_VERBOSE: c_int = 1;

    /// `priority` is an enum in C: an `int` here, since any number may come.
    pub type LogOutputFunction =
        unsafe extern "C" fn(context: *mut c_void, category: c_int, priority: c_int, message: *const c_char);

    unsafe extern "C" {
        pub fn SDL_Init(flags: u32) -> c_int;
        pub fn SDL_Quit();
        pub fn SDL_GetError() -> *const c_char;
        pub fn SDL_LogSetOutputFunction(callback: Option<LogOutputFunction>, context: *mut c_void);
        pub fn SDL_LogSetAllPriority(priority: c_int);
        pub fn SDL_CreateWindow(
            title: *const c_char,
            x: c_int,
            y: c_int,
            width: c_int,
            height: c_int,
            flags: u32,
        ) -> *mut Window;
        pub fn SDL_DestroyWindow(window: *mut Window);
        pub fn SDL_CreateRenderer(window: *mut Window, index: c_int, flags: u32) -> *mut Renderer;
        pub fn SDL_DestroyRenderer(renderer: *mut Renderer);
        pub fn SDL_CreateTexture(
            renderer: *mut Renderer,
            format: u32,
            access: c_int,
            width: c_int,
            height: c_int,
        ) -> *mut Texture;
        pub fn SDL_DestroyTexture(texture: *mut Texture);
        pub fn SDL_UpdateTexture(
            texture: *mut Texture,
            part: *const c_void,
            pixels: *const c_void,
            pitch: c_int,
        ) -> c_int;
        pub fn SDL_RenderCopy(
            renderer: *mut Renderer,
            texture: *mut Texture,
            from: *const c_void,
            to: *const c_void,
        ) -> c_int;
        pub fn SDL_RenderReadPixels(
            renderer: *mut Renderer,
            part: *const c_void,
            format: u32,
            pixels: *mut c_void,
            pitch: c_int,
        ) -> c_int;
        pub fn SDL_RenderPresent(renderer: *mut Renderer);
    }
}

const WIDTH: usize = 64;
const HEIGHT: usize = 32;
const PITCH: c_int = (WIDTH * size_of::<u32>()) as c_int;

/// A frame's pixels.
type Frame = [u32; WIDTH * HEIGHT];

/// What went wrong, with SDL's code for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphicsError {
    /// SDL or one of its parts can't be set up.
    InitializationFailed(c_int),
    /// A frame can't be shown.
    RenderFailed(c_int),
}

impl fmt::Display for GraphicsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InitializationFailed(code) => write!(f, "graphics can't be initialised: SDL says {code}"),
            Self::RenderFailed(code) => write!(f, "a frame can't be rendered: SDL says {code}"),
        }
    }
}

impl Error for GraphicsError {}

/// A window and what is drawn in it. SDL's rule: all of it is used on the thread that initialised it.
#[derive(Debug)]
pub struct Graphics {
    window: *mut sdl::Window,
    renderer: *mut sdl::Renderer,
    texture: *mut sdl::Texture,
}

/// SDL's log, which any thread of it may call.
unsafe extern "C" fn on_sdl_log(_: *mut c_void, category: c_int, priority: c_int, message: *const c_char) {
    // SAFETY: SDL gives a NUL-terminated text that lives during the call.
    let message = unsafe { CText::new(message) };
    match priority {
        1 => ffi_trace!(target: "sdl", message, category),
        2 => ffi_debug!(target: "sdl", message, category),
        3 => ffi_info!(target: "sdl", message, category),
        4 => ffi_warn!(target: "sdl", message, category),
        _ => ffi_error!(target: "sdl", message, category, priority),
    }
}

/// SDL's text for the last error of this thread.
fn sdl_error() -> CText<'static> {
    // SAFETY: a NUL-terminated text of this thread, that is logged before SDL is called again.
    unsafe { CText::new(sdl::SDL_GetError()) }
}

/// Sets up SDL, a window and a texture of its size.
#[instrument(name = "graphics_initialization", err)]
pub fn initialize_graphics() -> Result<Graphics, GraphicsError> {
    info!("initialising graphics");
    // SAFETY: the callback is a function, and needs no context.
    unsafe {
        sdl::SDL_LogSetOutputFunction(Some(on_sdl_log), std::ptr::null_mut());
        sdl::SDL_LogSetAllPriority(sdl::LOG_PRIORITY_VERBOSE);
    }
    // SAFETY: may be called at any time on the main thread.
    let code = unsafe { sdl::SDL_Init(sdl::INIT_VIDEO) };
    if code != 0 {
        error!(error_code = code, reason = %sdl_error(), "SDL_Init failed");
        return Err(GraphicsError::InitializationFailed(code));
    }
    let (width, height) = (WIDTH as c_int, HEIGHT as c_int);
    // SAFETY: SDL is initialised, the title is NUL-terminated, and SDL checks each pointer that it is given back.
    let graphics = unsafe {
        let window = sdl::SDL_CreateWindow(c"logfusion".as_ptr(), 0, 0, width, height, sdl::WINDOW_HIDDEN);
        let renderer = sdl::SDL_CreateRenderer(window, -1, sdl::RENDERER_SOFTWARE);
        let (format, access) = (sdl::PIXELFORMAT_ARGB8888, sdl::TEXTUREACCESS_STREAMING);
        Graphics { window, renderer, texture: sdl::SDL_CreateTexture(renderer, format, access, width, height) }
    };
    if graphics.texture.is_null() {
        // These functions have no code but NULL: -1 is what SDL_SetError returns everywhere.
        error!(error_code = -1, reason = %sdl_error(), "no window");
        cleanup_graphics(graphics);
        return Err(GraphicsError::InitializationFailed(-1));
    }
    info!(width, height, "graphics initialised");
    Ok(graphics)
}

/// Shows a frame.
#[instrument(skip_all, fields(frame_size = size_of_val(frame)))]
pub fn render_frame(graphics: &mut Graphics, frame: &Frame) -> Result<(), GraphicsError> {
    let Graphics { renderer, texture, .. } = *graphics;
    // SAFETY: the renderer is SDL's; the texture, too, or NULL, which SDL looks for; the frame has `HEIGHT` rows of `PITCH` bytes.
    let code = unsafe {
        match sdl::SDL_UpdateTexture(texture, null(), frame.as_ptr().cast(), PITCH) {
            0 => sdl::SDL_RenderCopy(renderer, texture, null(), null()),
            code => code,
        }
    };
    if code != 0 {
        error!(error_code = code, frame_size = size_of_val(frame), reason = %sdl_error(), "the frame was not rendered");
        return Err(GraphicsError::RenderFailed(code));
    }
    let mut shown = [0; WIDTH * HEIGHT];
    // SAFETY: the renderer is SDL's, and `shown` has the frame's size.
    let code = unsafe {
        let format = sdl::PIXELFORMAT_ARGB8888;
        sdl::SDL_RenderReadPixels(renderer, null(), format, shown.as_mut_ptr().cast(), PITCH)
    };
    // SAFETY: the renderer is SDL's.
    unsafe { sdl::SDL_RenderPresent(renderer) };
    // Nothing is drawn over it: what will be on the screen is what was given.
    info!(frame_rendered = code == 0 && shown == *frame, "frame rendered");
    Ok(())
}

/// What happens to a texture when the device is reset.
fn lose_texture(graphics: &mut Graphics) {
    // SAFETY: SDL's texture, which is not used again.
    unsafe { sdl::SDL_DestroyTexture(std::mem::replace(&mut graphics.texture, std::ptr::null_mut())) };
}

/// Closes the window and leaves SDL.
#[instrument(skip_all)]
pub fn cleanup_graphics(graphics: Graphics) {
    info!("cleaning up graphics");
    // SAFETY: each is SDL's, or NULL, which SDL looks for; none is used again.
    unsafe {
        sdl::SDL_DestroyTexture(graphics.texture);
        sdl::SDL_DestroyRenderer(graphics.renderer);
        sdl::SDL_DestroyWindow(graphics.window);
        sdl::SDL_Quit();
    }
    info!("graphics cleaned up");
}

fn main() -> ExitCode {
    let mut graphics = match initialize_graphics() {
        Ok(graphics) => graphics,
        Err(error) => {
            error!(%error, "no graphics");
            return ExitCode::FAILURE;
        }
    };
    for number in 0..3_u32 {
        let frame = std::array::from_fn(|pixel| 0xFF00_0000 | number << 16 | pixel as u32);
        if let Err(error) = render_frame(&mut graphics, &frame) {
            error!(%error, number, "the program goes on");
        }
        if number == 1 {
            lose_texture(&mut graphics);
        }
    }
    cleanup_graphics(graphics);
    ExitCode::SUCCESS
}
