//! The arguments of the attribute.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, LitInt, LitStr, Path, Token, parenthesized};

/// Everything that `#[instrument(…)]` says.
#[derive(Default)]
pub struct Args {
    pub name: Option<Expr>,
    pub target: Option<Expr>,
    pub level: Option<Level>,
    pub parent: Option<Expr>,
    pub follows_from: Option<Expr>,
    pub skip: Vec<Ident>,
    pub skip_all: bool,
    pub fields: Vec<FieldArg>,
    pub err: Option<EventArgs>,
    pub ret: Option<EventArgs>,
    pub krate: Option<Path>,
}

/// A level: tracing's name of it, or an expression.
#[derive(Clone)]
pub enum Level {
    Named(Ident),
    Other(Expr),
}

/// What `err(…)` and `ret(…)` say.
#[derive(Default)]
pub struct EventArgs {
    pub level: Option<Level>,
    pub mode: Option<Ident>,
}

/// A field of `fields(…)`, as the span macros take it.
pub struct FieldArg {
    /// The name, if it is one identifier: then it stands for an argument of that name.
    pub name: Option<Ident>,
    pub tokens: TokenStream,
}

impl Args {
    /// The path of logfusion.
    pub fn krate(&self) -> TokenStream {
        self.krate.as_ref().map_or_else(|| quote!(::logfusion), ToTokens::to_token_stream)
    }
}

impl Level {
    /// An expression for it.
    pub fn tokens(&self, krate: &TokenStream) -> TokenStream {
        match self {
            Self::Named(name) => quote!(#krate::Level::#name),
            Self::Other(level) => quote!(#level),
        }
    }
}

impl Parse for Level {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        const NAMES: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];
        let (number, span) = if input.peek(LitStr) {
            let text: LitStr = input.parse()?;
            let text_upper = text.value().to_uppercase();
            (NAMES.iter().position(|name| *name == text_upper), text.span())
        } else if input.peek(LitInt) {
            let number: LitInt = input.parse()?;
            (number.base10_parse::<usize>()?.checked_sub(1), number.span())
        } else {
            return input.parse().map(Self::Other);
        };
        match number.and_then(|number| NAMES.get(number)) {
            Some(name) => Ok(Self::Named(Ident::new(name, span))),
            None => {
                Err(syn::Error::new(span, "a level is \"trace\", \"debug\", \"info\", \"warn\", \"error\", or 1 to 5"))
            }
        }
    }
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Self::default();
        let mut seen: Vec<String> = Vec::new();
        while !input.is_empty() {
            let begin = input.span();
            let key = if input.peek(LitStr) {
                args.name = Some(input.parse()?);
                "name".to_owned()
            } else {
                let key = input.call(Ident::parse_any)?;
                args.parse_one(&key, input)?;
                key.to_string()
            };
            if seen.contains(&key) {
                return Err(syn::Error::new(begin, format!("`{key}` is given twice")));
            }
            seen.push(key);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(args)
    }
}

impl Args {
    fn parse_one(&mut self, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match key.to_string().as_str() {
            "name" => self.name = Some(value(input)?),
            "target" => self.target = Some(value(input)?),
            "level" => self.level = Some(value(input)?),
            "parent" => self.parent = Some(value(input)?),
            "follows_from" => self.follows_from = Some(value(input)?),
            "crate" => {
                input.parse::<Token![=]>()?;
                self.krate = Some(input.call(Path::parse_mod_style)?);
            }
            "skip_all" => self.skip_all = true,
            "skip" => {
                let content;
                parenthesized!(content in input);
                self.skip = Punctuated::<Ident, Token![,]>::parse_terminated_with(&content, Ident::parse_any)?
                    .into_iter()
                    .collect();
            }
            "fields" => {
                let content;
                parenthesized!(content in input);
                self.fields = Punctuated::<FieldArg, Token![,]>::parse_terminated(&content)?.into_iter().collect();
            }
            "err" => self.err = Some(EventArgs::parse_optional(input)?),
            "ret" => self.ret = Some(EventArgs::parse_optional(input)?),
            _ => return Err(syn::Error::new(key.span(), format!("`{key}` is not an argument of `instrument`"))),
        }
        Ok(())
    }
}

fn value<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

impl EventArgs {
    fn parse_optional(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Self::default();
        if !input.peek(syn::token::Paren) {
            return Ok(args);
        }
        let content;
        parenthesized!(content in input);
        while !content.is_empty() {
            let key: Ident = content.parse()?;
            match key.to_string().as_str() {
                "level" => args.level = Some(value(&content)?),
                "Debug" | "Display" => args.mode = Some(key),
                _ => return Err(syn::Error::new(key.span(), "expected `Debug`, `Display` or `level = …`")),
            }
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
        }
        Ok(args)
    }
}

impl Parse for FieldArg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let kind = |input: ParseStream<'_>| -> syn::Result<TokenStream> {
            Ok(if input.peek(Token![%]) {
                input.parse::<Token![%]>()?.to_token_stream()
            } else if input.peek(Token![?]) {
                input.parse::<Token![?]>()?.to_token_stream()
            } else {
                TokenStream::new()
            })
        };
        let sigil = kind(input)?;
        let (name, key) = if input.peek(LitStr) {
            (None, input.parse::<LitStr>()?.to_token_stream())
        } else {
            let path = Punctuated::<Ident, Token![.]>::parse_separated_nonempty_with(input, Ident::parse_any)?;
            let name = (path.len() == 1).then(|| path[0].clone());
            (name, path.to_token_stream())
        };
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            let kind = kind(input)?;
            let value: Expr = input.parse()?;
            return Ok(Self { name, tokens: quote!(#key = #kind #value) });
        }
        // tracing's attribute has it so: a name alone is recorded later, with a sigil it is the variable.
        let tokens = if sigil.is_empty() { quote!(#key = __LOGFUSION_EMPTY) } else { quote!(#sigil #key) };
        Ok(Self { name, tokens })
    }
}

/// Where generated code has no better place to point at.
pub fn here() -> Span {
    Span::call_site()
}
