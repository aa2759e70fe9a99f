//! The attribute `#[instrument]` of `logfusion`, which re-exports it. See there.
//!
//! tracing's own attribute expands to paths that begin with `::tracing`, so a crate that uses it must depend on tracing
//! itself (tokio-rs/tracing#1818). A re-export can't change that: an attribute cannot rewrite what another one will expand
//! to. So this is an attribute of its own, with tracing's arguments, that expands to paths of `::logfusion`.

mod args;
mod expand;

use proc_macro::TokenStream;

/// Puts a function into a span: each call opens one, named after the function, with the arguments as its fields.
///
/// The arguments are those of tracing's attribute:
///
/// | argument | meaning |
/// |---|---|
/// | `name = "…"`, or the text alone | the span's name instead of the function's |
/// | `level = "debug"` (or `Level::DEBUG`) | its level instead of INFO |
/// | `target = "…"` | its target instead of the module's path |
/// | `skip(a, b)`, `skip_all` | arguments that are not recorded |
/// | `fields(a = 1, b = ?x, c)` | more fields, which may use the arguments; `c` alone is recorded later |
/// | `parent = …`, `follows_from = …` | the span's relations |
/// | `err`, `err(Debug, level = "warn")` | an `Err` that is returned becomes an event, as ERROR by its `Display` |
/// | `ret`, `ret(Display, level = "debug")` | so does the value that is returned, at the span's level by its `Debug` |
/// | `crate = path` | where logfusion is found, if not at `::logfusion` |
///
/// Integers, floats, `bool` and text are recorded as what they are, other arguments by their `Debug`. An `async fn`
/// is inside its span whenever it is polled; so is the `async` block that a function returns as its last expression, as
/// it is or in `Box::pin`.
#[proc_macro_attribute]
pub fn instrument(args: TokenStream, item: TokenStream) -> TokenStream {
    let args = match syn::parse::<args::Args>(args) {
        Ok(args) => args,
        Err(error) => {
            // The function stays what it is, so that the mistake is the only error that the compiler tells.
            let error = error.into_compile_error();
            let item = proc_macro2::TokenStream::from(item);
            return quote::quote!(#error #item).into();
        }
    };
    match syn::parse::<syn::ItemFn>(item) {
        Ok(function) => expand::expand(&args, function).unwrap_or_else(syn::Error::into_compile_error).into(),
        Err(error) => error.into_compile_error().into(),
    }
}
