//! From a function to an instrumented one.
//!
//! The signature stays as it is; the body becomes
//!
//! ```text
//!   fn:        open the span, enter it, then the body
//!   async fn:  open the span, then Instrument::instrument(async move { body }, span).await
//!   … returns an async block: the same around that block, without the await
//! ```
//!
//! With `err` or `ret` the body is called as a closure, so that the value of each `return` and `?` is seen, too.

use crate::args::{Args, EventArgs, Level};
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Block, Error, Expr, ExprAsync, ExprCall, FnArg, ItemFn, Pat, PatType, ReturnType, Stmt, Type};

/// Expands the attribute.
pub fn expand(args: &Args, mut function: ItemFn) -> syn::Result<TokenStream> {
    if let Some(constness) = &function.sig.constness {
        return Err(Error::new(constness.span(), "a `const fn` can't be instrumented"));
    }
    let span = open_span(args, &function)?;
    let body = if function.sig.asyncness.is_some() {
        let edge = return_edge(&function.sig.output);
        let block = &function.block;
        let future = in_span(args, &span, &with_events(args, &quote!({ #edge #block }), true));
        quote!({ #future.await })
    } else if let Some((statements, last)) = ends_in_async_block(&function.block) {
        let block = last.block.block;
        // A block that outlives the function has `move`, where it captures anything.
        let future = in_span(args, &span, &with_events(args, &quote!(#block), true));
        let last = last.around.map_or(quote!(#future), |call| quote!(#call(#future)));
        quote!({ #(#statements)* #last })
    } else {
        let edge = return_edge(&function.sig.output);
        let block = &function.block;
        let entered = entered(args, &span);
        let body = with_events(args, &quote!({ #edge #block }), false);
        // Without events the statements of the function stay where they are.
        let body = if args.err.is_none() && args.ret.is_none() { quote!(#block) } else { body };
        quote!({ #entered #body })
    };
    // The block's own tokens keep their places; what is around them is the attribute's.
    *function.block = syn::parse2(body)?;
    Ok(quote!(#function))
}

/// The expression that opens the span.
fn open_span(args: &Args, function: &ItemFn) -> syn::Result<TokenStream> {
    let krate = args.krate();
    let mut parameters = Vec::new();
    for input in &function.sig.inputs {
        match input {
            FnArg::Receiver(receiver) => parameters.push((Ident::new("self", receiver.self_token.span), false)),
            FnArg::Typed(PatType { pat, ty, .. }) => {
                let is_value = is_value(ty);
                names_of(pat, &mut |name| parameters.push((name.clone(), is_value)));
            }
        }
    }
    if let Some(unknown) = args.skip.iter().find(|name| !parameters.iter().any(|(known, _)| known == *name)) {
        return Err(Error::new(unknown.span(), format!("`{unknown}` is not an argument of the function")));
    }
    let recorded = parameters.iter().filter(|(name, _)| {
        let replaced = args.fields.iter().any(|field| field.name.as_ref() == Some(name));
        !args.skip_all && !args.skip.contains(name) && !replaced
    });
    let recorded = recorded.map(|(name, is_value)| match is_value {
        true => quote!(#name = #name,),
        false => quote!(#name = #krate::field::debug(&#name),),
    });
    let fields = args.fields.iter().map(|field| replace_empty(field.tokens.clone(), &krate));
    let target = args.target.as_ref().map_or_else(|| quote!(::core::module_path!()), |target| quote!(#target));
    let parent = args.parent.as_ref().map(|parent| quote!(parent: #parent,));
    let level = span_level(args).tokens(&krate);
    let name = match &args.name {
        Some(name) => quote!(#name),
        None => {
            let name = function.sig.ident.to_string();
            let name = name.strip_prefix("r#").unwrap_or(&name);
            quote!(#name)
        }
    };
    Ok(quote!(#krate::span!(target: #target, #parent #level, #name, #(#recorded)* #(#fields),*)))
}

/// The field that is recorded later, under the crate's path.
fn replace_empty(tokens: TokenStream, krate: &TokenStream) -> TokenStream {
    tokens
        .into_iter()
        .flat_map(|token| match &token {
            TokenTree::Ident(name) if name == "__LOGFUSION_EMPTY" => quote!(#krate::field::Empty),
            _ => token.into(),
        })
        .collect()
}

fn span_level(args: &Args) -> Level {
    args.level.clone().unwrap_or_else(|| Level::Named(Ident::new("INFO", crate::args::here())))
}

fn follows_from(args: &Args) -> Option<TokenStream> {
    let causes = args.follows_from.as_ref()?;
    Some(quote!(for cause in #causes { __logfusion_span.follows_from(cause); }))
}

/// Statements that open and enter the span. Where nobody wants its level, its fields are not computed.
fn entered(args: &Args, span: &TokenStream) -> TokenStream {
    let krate = args.krate();
    let level = span_level(args).tokens(&krate);
    let follows_from = follows_from(args);
    quote! {
        let __logfusion_span;
        let __logfusion_entered;
        if #krate::__private::wants(&#level) {
            __logfusion_span = #span;
            #follows_from
            __logfusion_entered = __logfusion_span.enter();
        }
    }
}

/// A future that is inside the span whenever it is polled.
fn in_span(args: &Args, span: &TokenStream, future: &TokenStream) -> TokenStream {
    let krate = args.krate();
    let follows_from = follows_from(args);
    quote!({
        let __logfusion_span = #span;
        #follows_from
        #krate::Instrument::instrument(#future, __logfusion_span)
    })
}

/// The block with its events: a future if the function is `async`, else an expression.
fn with_events(args: &Args, block: &TokenStream, is_future: bool) -> TokenStream {
    let called = if is_future { quote!(async move #block .await) } else { quote!((move || #block)()) };
    let err = args.err.as_ref().map(|event| event_of(args, event, "error", "Display"));
    let ret = args.ret.as_ref().map(|event| event_of(args, event, "return", "Debug"));
    let result = match (err, ret) {
        (None, None) => return if is_future { quote!(async move #block) } else { quote!(#block) },
        (None, Some(ret)) => quote! {
            let __logfusion_value = #called;
            #ret
            __logfusion_value
        },
        (Some(err), ret) => quote! {
            match #called {
                ::core::result::Result::Ok(__logfusion_value) => {
                    #ret
                    ::core::result::Result::Ok(__logfusion_value)
                }
                ::core::result::Result::Err(__logfusion_value) => {
                    #err
                    ::core::result::Result::Err(__logfusion_value)
                }
            }
        },
    };
    let allow = quote!(#[allow(clippy::redundant_closure_call, clippy::unit_arg, clippy::let_unit_value)]);
    if is_future { quote!(async move { #allow { #result } }) } else { quote!(#allow { #result }) }
}

/// The statement that logs a result.
fn event_of(args: &Args, event: &EventArgs, field: &str, mode: &str) -> TokenStream {
    let krate = args.krate();
    let level = match (&event.level, field) {
        (Some(level), _) => level.clone(),
        (None, "error") => Level::Named(Ident::new("ERROR", crate::args::here())),
        (None, _) => span_level(args),
    };
    let level = level.tokens(&krate);
    let target = args.target.as_ref().map_or_else(|| quote!(::core::module_path!()), |target| quote!(#target));
    let shown = match event.mode.as_ref().map_or_else(|| mode.to_owned(), ToString::to_string).as_str() {
        "Display" => quote!(%),
        _ => quote!(?),
    };
    let field = format_ident!("{field}");
    let field = if field == "return" { quote!("return") } else { quote!(#field) };
    quote!(#krate::event!(target: #target, #level, #field = #shown __logfusion_value);)
}

/// A `return` that never happens, of the type that the signature promises: what a `?` in a closure or in an `async` block
/// converts to is inferred from it.
fn return_edge(output: &ReturnType) -> TokenStream {
    let type_ = match output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, type_) if has_impl(quote!(#type_)) => return TokenStream::new(),
        ReturnType::Type(_, type_) => quote!(#type_),
    };
    quote! {
        #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop, clippy::let_unit_value,
            clippy::needless_return, clippy::unused_unit)]
        if false {
            let __logfusion_returned: #type_ = loop {};
            return __logfusion_returned;
        }
    }
}

fn has_impl(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "impl",
        TokenTree::Group(group) => has_impl(group.stream()),
        _ => false,
    })
}

/// The last expression of a function that returns a future.
struct LastAsync {
    /// `Box::pin`, if it is called with the block.
    around: Option<Expr>,
    block: ExprAsync,
}

fn ends_in_async_block(block: &Block) -> Option<(&[Stmt], LastAsync)> {
    let (Stmt::Expr(last, None), statements) = block.stmts.split_last()? else { return None };
    let last = match last {
        Expr::Async(block) => LastAsync { around: None, block: block.clone() },
        Expr::Call(ExprCall { func, args, .. }) => {
            let Expr::Path(path) = &**func else { return None };
            let is_pin =
                path.path.segments.iter().rev().map(|segment| segment.ident.to_string()).take(2).eq(["pin", "Box"]);
            match args.first() {
                Some(Expr::Async(block)) if is_pin && args.len() == 1 => {
                    LastAsync { around: Some((**func).clone()), block: block.clone() }
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    Some((statements, last))
}

/// Calls `f` for the names that a pattern binds.
fn names_of(pattern: &Pat, f: &mut impl FnMut(&Ident)) {
    match pattern {
        Pat::Ident(name) => f(&name.ident),
        Pat::Reference(reference) => names_of(&reference.pat, f),
        Pat::Paren(paren) => names_of(&paren.pat, f),
        Pat::Struct(pattern) => pattern.fields.iter().for_each(|field| names_of(&field.pat, f)),
        Pat::Tuple(pattern) => pattern.elems.iter().for_each(|element| names_of(element, f)),
        Pat::TupleStruct(pattern) => pattern.elems.iter().for_each(|element| names_of(element, f)),
        Pat::Slice(pattern) => pattern.elems.iter().for_each(|element| names_of(element, f)),
        _ => {}
    }
}

/// Whether tracing takes values of this type as what they are.
fn is_value(type_: &Type) -> bool {
    const NAMES: [&str; 18] = [
        "bool", "str", "String", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128",
        "isize", "f32", "f64", "c_int",
    ];
    match type_ {
        Type::Reference(reference) => is_value(&reference.elem),
        Type::Paren(paren) => is_value(&paren.elem),
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.arguments.is_none() && NAMES.iter().any(|name| last.ident == name)),
        _ => false,
    }
}
