//! The macros of Rust programs.
//!
//! Statements come in two families:
//!
//! | | goes | for |
//! |---|---|---|
//! | [`info!`](crate::info) and its like, spans, [`instrument`](macro@crate::instrument) | to the thread's `tracing` subscriber, at once | Rust code |
//! | [`ffi_info!`](crate::ffi_info) and its like | through the thread's ring, as a call from C | `extern "C"` functions, callbacks |
//!
//! Both take tracing's syntax of fields and messages. The first family is tracing's own macros where the target is a
//! literal; what is added is told at [`info!`](crate::info).
//!
//! # How they are built
//!
//! [`__fields!`](crate::__fields) reads fields and message once, token by token, and calls another macro with a list
//! `[{name, plain | debug | display, value} …] [message]`: that macro builds an event with a target of run time, or a
//! record of the ring.

/// Logs at the level INFO, in the syntax of tracing's macro.
///
/// ```
/// # let (peer, rtt) = ("10.0.0.7:4000", 18_250_u64);
/// logfusion::info!("ready");
/// logfusion::info!(peer, rtt_us = rtt, "connected in {} ms", rtt / 1000);
/// logfusion::info!(target: "game::net", ?peer, "connected");
/// ```
///
/// Beyond that macro:
///
/// - **The target may be text that is known at run time**: whatever is not a literal is evaluated, an `AsRef<str>`. The
///   number of targets is bounded; past 4,096, or 1 MiB of their text, events have the target `logfusion::overflow` and the
///   real one in the field `log.target`.
/// - **No subscriber has to be set.** The first statement on a thread without one starts the engine, and the event goes to its
///   output, by default text on stderr. A subscriber that the program sets later takes over.
/// - A message may come **both as a field `message = …` and as text**. The event carries both, the text first, as tracing
///   has it. No output shows one key twice: the text is the message, and the field follows it, in text as
///   `message="…"`, in JSON and logfmt as `message#1`, the number being its place among the event's fields.
///
/// ```
/// let plugin = format!("plugins::{}", "lua");
/// logfusion::info!(target: plugin, version = 5, "loaded");
/// logfusion::info!(message = "from the plugin", "hook called");
/// ```
///
/// A statement that nobody wants evaluates none of its arguments.
#[macro_export]
macro_rules! info {
    ($($statement:tt)+) => { $crate::__event!(info INFO [$($statement)+] $($statement)+) };
}

/// Logs at the level ERROR; see [`info!`](crate::info).
#[macro_export]
macro_rules! error {
    ($($statement:tt)+) => { $crate::__event!(error ERROR [$($statement)+] $($statement)+) };
}

/// Logs at the level WARN; see [`info!`](crate::info).
#[macro_export]
macro_rules! warn {
    ($($statement:tt)+) => { $crate::__event!(warn WARN [$($statement)+] $($statement)+) };
}

/// Logs at the level DEBUG; see [`info!`](crate::info).
#[macro_export]
macro_rules! debug {
    ($($statement:tt)+) => { $crate::__event!(debug DEBUG [$($statement)+] $($statement)+) };
}

/// Logs at the level TRACE; see [`info!`](crate::info).
#[macro_export]
macro_rules! trace {
    ($($statement:tt)+) => { $crate::__event!(trace TRACE [$($statement)+] $($statement)+) };
}

/// Logs at a level that is a constant expression: tracing's macro, with the default output of [`info!`](crate::info). The
/// target is a constant here.
///
/// ```
/// logfusion::event!(logfusion::Level::INFO, answer = 42, "ready");
/// ```
#[macro_export]
macro_rules! event {
    ($($statement:tt)+) => {
        if $crate::__private::wants(&$crate::Level::ERROR) {
            let _scope = $crate::__private::scope();
            $crate::__tracing::event!($($statement)+);
        }
    };
}

/// Makes a span of a level: tracing's macro, with the default output of [`info!`](crate::info). On a thread that C has taken
/// into a span (`LF_SPAN`), its field `c_span` is the name of that one.
///
/// ```
/// # use logfusion::Level;
/// let span = logfusion::span!(Level::DEBUG, "frame", number = 7);
/// let _entered = span.enter();
/// ```
#[macro_export]
macro_rules! span {
    ($($span:tt)+) => { $crate::__span!(span ERROR $($span)+) };
}

/// Makes a span of the level ERROR; see [`span!`](crate::span).
#[macro_export]
macro_rules! error_span {
    ($($span:tt)+) => { $crate::__span!(error_span ERROR $($span)+) };
}

/// Makes a span of the level WARN; see [`span!`](crate::span).
#[macro_export]
macro_rules! warn_span {
    ($($span:tt)+) => { $crate::__span!(warn_span WARN $($span)+) };
}

/// Makes a span of the level INFO; see [`span!`](crate::span).
#[macro_export]
macro_rules! info_span {
    ($($span:tt)+) => { $crate::__span!(info_span INFO $($span)+) };
}

/// Makes a span of the level DEBUG; see [`span!`](crate::span).
#[macro_export]
macro_rules! debug_span {
    ($($span:tt)+) => { $crate::__span!(debug_span DEBUG $($span)+) };
}

/// Makes a span of the level TRACE; see [`span!`](crate::span).
#[macro_export]
macro_rules! trace_span {
    ($($span:tt)+) => { $crate::__span!(trace_span TRACE $($span)+) };
}

/// Logs at the level INFO through the calling thread's ring, for use in functions that C calls.
///
/// ```
/// use std::ffi::c_int;
///
/// extern "C" fn on_resize(width: c_int, height: c_int) {
///     logfusion::ffi_info!(target: "game::window", width, height, "resized to {}", width * height);
/// }
/// # on_resize(2, 3);
/// ```
///
/// The syntax is that of [`info!`](crate::info), without `parent:` and `name:`. What differs:
///
/// - The default target is `ffi`. A target is an `AsRef<[u8]>`.
/// - It never unwinds. A panic in an argument is caught; the record then says so, with the statement's `file` and `line`.
/// - Values are a [`RingValue`](crate::RingValue): integers, floats, `bool` and text keep their types, `?value` and `%value` are
///   text, and a C string is wrapped in a [`CText`](crate::CText). A record has at most 32 fields.
/// - The arguments are evaluated in a closure: `?`, `return` and `.await` can't leave it.
/// - The event is made by the drain thread, a moment later: it is in no span that Rust has entered, but for [`attach_span`](crate::attach_span), and registered callbacks see it.
///   Without text, a field `message` is the message.
///
/// Text is formatted on the calling thread, and takes memory from the heap where it is longer than 128 bytes. Without
/// `?`, `%` and arguments of the message nothing is formatted.
#[macro_export]
macro_rules! ffi_info {
    ($($statement:tt)+) => { $crate::__ring!(3 $($statement)+) };
}

/// Logs at the level ERROR through the calling thread's ring; see [`ffi_info!`](crate::ffi_info).
#[macro_export]
macro_rules! ffi_error {
    ($($statement:tt)+) => { $crate::__ring!(1 $($statement)+) };
}

/// Logs at the level WARN through the calling thread's ring; see [`ffi_info!`](crate::ffi_info).
#[macro_export]
macro_rules! ffi_warn {
    ($($statement:tt)+) => { $crate::__ring!(2 $($statement)+) };
}

/// Logs at the level DEBUG through the calling thread's ring; see [`ffi_info!`](crate::ffi_info).
#[macro_export]
macro_rules! ffi_debug {
    ($($statement:tt)+) => { $crate::__ring!(4 $($statement)+) };
}

/// Logs at the level TRACE through the calling thread's ring; see [`ffi_info!`](crate::ffi_info).
#[macro_export]
macro_rules! ffi_trace {
    ($($statement:tt)+) => { $crate::__ring!(5 $($statement)+) };
}

/// Defines error types that can log themselves.
///
/// ```
/// logfusion::define_errors! {
///     /// What can go wrong with a texture.
///     pub TextureError {
///         NotFound { path: String } => "no texture at {}" [level = warn, target = "assets::textures"],
///         TooLarge { path: String, size: u64, most: u64 } => "{} has {} bytes, more than {}",
///         OutOfMemory => "out of memory",
///     }
/// }
///
/// let error = TextureError::TooLarge { path: "sky.png".to_owned(), size: 99, most: 10 };
/// assert_eq!(error.to_string(), "sky.png has 99 bytes, more than 10");
/// error.log();
/// ```
///
/// Each type is an enum with `Debug`, `Display` (the text, with the fields in their order in place of its `{}`) and `Error`.
/// Without `pub` it is private to its module. `log()` logs the text as an event, with each field as a field: as what it is where
/// tracing takes its type, else by its `Debug`. In brackets after the text may stand the event's `level` (`error`) and `target` (the
/// module that defines the type).
#[macro_export]
macro_rules! define_errors {
    ($(
        $(#[$attribute:meta])*
        $visible:vis $name:ident {
            $(
                $(#[$variant_attribute:meta])*
                $variant:ident $({ $($(#[$field_attribute:meta])* $field:ident : $type:ty),* $(,)? })?
                    => $text:literal $([ $($option:tt)* ])?
            ),+ $(,)?
        }
    )+) => {$(
        $(#[$attribute])*
        #[allow(missing_docs, reason = "the text of a variant says what it is")]
        #[derive(Debug)]
        $visible enum $name {
            $(
                $(#[$variant_attribute])*
                $variant { $($($(#[$field_attribute])* $field: $type,)*)? },
            )+
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                match self {
                    $(Self::$variant { $($($field,)*)? } => ::std::write!(f, $text, $($($field,)*)?),)+
                }
            }
        }

        impl ::std::error::Error for $name {}

        impl $name {
            /// Logs the error.
            #[allow(dead_code, reason = "some errors are only returned")]
            $visible fn log(&self) {
                match self {
                    $(Self::$variant { $($($field,)*)? } => {
                        $crate::__error_event!([$($($option)*)?] self $($($field)*)?)
                    })+
                }
            }
        }
    )+};
}

/// One statement of [`define_errors!`](crate::define_errors).
#[doc(hidden)]
#[macro_export]
macro_rules! __error_event {
    ([] $($rest:tt)+) => { $crate::__error_event!(@ error [] $($rest)+) };
    ([level = $level:ident $(,)?] $($rest:tt)+) => { $crate::__error_event!(@ $level [] $($rest)+) };
    ([target = $target:literal $(,)?] $($rest:tt)+) => { $crate::__error_event!(@ error [target: $target,] $($rest)+) };
    ([level = $level:ident, target = $target:literal $(,)?] $($rest:tt)+) => {
        $crate::__error_event!(@ $level [target: $target,] $($rest)+)
    };
    ([target = $target:literal, level = $level:ident $(,)?] $($rest:tt)+) => {
        $crate::__error_event!(@ $level [target: $target,] $($rest)+)
    };
    (@ $level:ident [$($target:tt)*] $self:ident $($field:ident)*) => {{
        #[allow(unused_imports, reason = "one of them, or none if there are no fields")]
        use $crate::__private::shown::{AsItIs as _, ByDebug as _};
        $crate::$level!($($target)* $($field = (&$crate::__private::shown::Shown($field)).shown(),)* "{}", $self)
    }};
}

/// An event: where the target is not a literal, with a target of run time; else tracing's macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __event {
    ($macro:ident $level:ident $all:tt target: $target:literal, $($rest:tt)+) => {
        $crate::__static_event!($macro $level $all)
    };
    ($macro:ident $level:ident $all:tt target: module_path!(), $($rest:tt)+) => {
        $crate::__static_event!($macro $level $all)
    };
    ($macro:ident $level:ident $all:tt name: $name:expr, target: $target:literal, $($rest:tt)+) => {
        $crate::__static_event!($macro $level $all)
    };
    ($macro:ident $level:ident $all:tt name: $name:expr, target: $target:expr, parent: $parent:expr, $($rest:tt)+) => {
        $crate::__fields!(__target_event [$level [$name] [$target] [$parent]]; $($rest)+)
    };
    ($macro:ident $level:ident $all:tt name: $name:expr, target: $target:expr, $($rest:tt)+) => {
        $crate::__fields!(__target_event [$level [$name] [$target] []]; $($rest)+)
    };
    ($macro:ident $level:ident $all:tt target: $target:expr, parent: $parent:expr, $($rest:tt)+) => {
        $crate::__fields!(__target_event [$level ["event"] [$target] [$parent]]; $($rest)+)
    };
    ($macro:ident $level:ident $all:tt target: $target:expr, $($rest:tt)+) => {
        $crate::__fields!(__target_event [$level ["event"] [$target] []]; $($rest)+)
    };
    ($macro:ident $level:ident $all:tt $($rest:tt)+) => {
        $crate::__static_event!($macro $level $all)
    };
}

/// An event by tracing's macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __static_event {
    ($macro:ident $level:ident [$($statement:tt)+]) => {
        if $crate::__private::wants(&$crate::Level::$level) {
            let _scope = $crate::__private::scope();
            $crate::__tracing::$macro!($($statement)+);
        }
    };
}

/// An event with a target of run time, from the list of `__fields!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __target_event {
    ($context:tt [$($fields:tt)*] [$($message:tt)+]) => {
        $crate::__target_event!($context [{"message", plain, ::core::format_args!($($message)+)} $($fields)*] [])
    };
    ([$level:ident [$name:expr] [$target:expr] [$($parent:expr)?]] [$({$key:expr, $mode:ident, $value:expr})*] []) => {
        if $crate::__private::wants(&$crate::Level::$level) {
            static STATEMENT: $crate::__private::TargetSite = $crate::__private::TargetSite::new(
                $crate::Level::$level,
                $name,
                &[$($crate::__private::ring::name($key)),*],
                (::core::file!(), ::core::line!(), ::core::module_path!()),
            );
            #[allow(unused_imports, reason = "tracing's macros have these names in scope, too")]
            use $crate::field::{debug, display};
            let _scope = $crate::__private::scope();
            match &$target {
                target => {
                    if let ::core::option::Option::Some(wanted) = STATEMENT.wants(::core::convert::AsRef::<str>::as_ref(target)) {
                        $crate::__dispatch!(wanted [$($parent)?] &[
                            $(::core::option::Option::Some($crate::__tracing_value!($mode $value))),*
                        ]);
                    }
                }
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __dispatch {
    ($wanted:ident [] $values:expr) => {
        $wanted.dispatch($values)
    };
    ($wanted:ident [$parent:expr] $values:expr) => {
        $wanted.dispatch_in($parent, $values)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tracing_value {
    (plain $value:expr) => {
        &$value as &dyn $crate::field::Value
    };
    (debug $value:expr) => {
        &$crate::field::debug(&$value) as &dyn $crate::field::Value
    };
    (display $value:expr) => {
        &$crate::field::display(&$value) as &dyn $crate::field::Value
    };
}

/// A statement that goes through the ring.
#[doc(hidden)]
#[macro_export]
macro_rules! __ring {
    ($level:literal target: $target:expr, $($rest:tt)+) => {
        $crate::__fields!(__ring_event [$level $target]; $($rest)+)
    };
    ($level:literal $($rest:tt)+) => {
        $crate::__fields!(__ring_event [$level "ffi"]; $($rest)+)
    };
}

/// A record, from the list of `__fields!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __ring_event {
    ([$level:literal $target:expr] [$({$key:expr, $mode:ident, $value:expr})*] [$($message:tt)*]) => {
        if $crate::__private::ring::wants($level) {
            const _: () = $crate::__private::ring::check_count(<[&str]>::len(&[$($key),*]));
            $crate::__private::ring::Statement::new($level, ::core::file!(), ::core::line!()).log(|statement| {
                #[allow(unused_imports, reason = "tracing's macros have these names in scope, too")]
                use $crate::field::{debug, display};
                statement.push(
                    &$target,
                    $crate::__ring_message!($($message)*),
                    &[$((const { $crate::__private::ring::name($key) }, $crate::__ring_value!($mode $value))),*],
                )
            })
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __ring_message {
    () => {
        ::core::option::Option::None
    };
    ($($message:tt)+) => {
        ::core::option::Option::Some($crate::__private::ring::Ready::message(::core::format_args!($($message)+)))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __ring_value {
    (plain $value:expr) => {
        $crate::RingValue::ready(&$value)
    };
    (debug $value:expr) => {
        $crate::__private::ring::Ready::format(::core::format_args!("{:?}", $value))
    };
    (display $value:expr) => {
        $crate::__private::ring::Ready::format(::core::format_args!("{}", $value))
    };
}

/// A span by tracing's macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __span {
    ($macro:ident $level:ident $($span:tt)+) => {{
        let _scope = $crate::__private::wants(&$crate::Level::$level).then($crate::__private::scope);
        $crate::__span_in_c!($macro [] $($span)+)
    }};
}

/// A span with one field more, `c_span`. What was given is gone through, since it may end with a comma or not; in strides,
/// since the depth of recursion is limited.
#[doc(hidden)]
#[macro_export]
macro_rules! __span_in_c {
    ($macro:ident [$($span:tt)+] $(,)?) => {{
        let span = $crate::__tracing::$macro!($($span)+, c_span = $crate::field::Empty);
        $crate::__private::note_c_span(&span);
        span
    }};
    ($macro:ident [$($span:tt)*] $a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $g:tt $h:tt $($rest:tt)+) => {
        $crate::__span_in_c!($macro [$($span)* $a $b $c $d $e $f $g $h] $($rest)+)
    };
    ($macro:ident [$($span:tt)*] $next:tt $($rest:tt)*) => {
        $crate::__span_in_c!($macro [$($span)* $next] $($rest)*)
    };
}

/// Reads fields and message: `__fields!(macro [context]; …)` calls `macro!([context] [{name, mode, value} …] [message])`.
#[doc(hidden)]
#[macro_export]
macro_rules! __fields {
    ($then:ident $context:tt; { $($fields:tt)* }, $($message:tt)+) => {
        $crate::__fields!(@ $then $context [] [$($message)+] $($fields)*)
    };
    ($then:ident $context:tt; { $($fields:tt)* } $(,)?) => {
        $crate::__fields!(@ $then $context [] [] $($fields)*)
    };
    ($then:ident $context:tt; $($rest:tt)+) => {
        $crate::__fields!(@ $then $context [] [] $($rest)+)
    };

    (@ $then:ident $context:tt $fields:tt $message:tt $(,)?) => {
        $crate::$then!($context $fields $message)
    };

    // name = value
    (@ $then:ident $context:tt [$($out:tt)*] $m:tt $($k:ident).+ = ?$value:expr $(, $($rest:tt)*)?) => {
        $crate::__fields!(@ $then $context [$($out)* {::core::stringify!($($k).+), debug, $value}] $m $($($rest)*)?)
    };
    (@ $then:ident $context:tt [$($out:tt)*] $m:tt $($k:ident).+ = %$value:expr $(, $($rest:tt)*)?) => {
        $crate::__fields!(@ $then $context [$($out)* {::core::stringify!($($k).+), display, $value}] $m $($($rest)*)?)
    };
    (@ $then:ident $context:tt [$($out:tt)*] $m:tt $($k:ident).+ = $value:expr $(, $($rest:tt)*)?) => {
        $crate::__fields!(@ $then $context [$($out)* {::core::stringify!($($k).+), plain, $value}] $m $($($rest)*)?)
    };
    // "name" = value
    (@ $then:ident $context:tt [$($out:tt)*] $m:tt $k:literal = ?$value:expr $(, $($rest:tt)*)?) => {
        $crate::__fields!(@ $then $context [$($out)* {$k, debug, $value}] $m $($($rest)*)?)
    };
    (@ $then:ident $context:tt [$($out:tt)*] $m:tt $k:literal = %$value:expr $(, $($rest:tt)*)?) => {
        $crate::__fields!(@ $then $context [$($out)* {$k, display, $value}] $m $($($rest)*)?)
    };
    (@ $then:ident $context:tt [$($out:tt)*] $m:tt $k:literal = $value:expr $(, $($rest:tt)*)?) => {
        $crate::__fields!(@ $then $context [$($out)* {$k, plain, $value}] $m $($($rest)*)?)
    };
    // { NAME } = value
    (@ $then:ident $context:tt [$($out:tt)*] $m:tt { $k:expr } = ?$value:expr $(, $($rest:tt)*)?) => {
        $crate::__fields!(@ $then $context [$($out)* {$k, debug, $value}] $m $($($rest)*)?)
    };
    (@ $then:ident $context:tt [$($out:tt)*] $m:tt { $k:expr } = %$value:expr $(, $($rest:tt)*)?) => {
        $crate::__fields!(@ $then $context [$($out)* {$k, display, $value}] $m $($($rest)*)?)
    };
    (@ $then:ident $context:tt [$($out:tt)*] $m:tt { $k:expr } = $value:expr $(, $($rest:tt)*)?) => {
        $crate::__fields!(@ $then $context [$($out)* {$k, plain, $value}] $m $($($rest)*)?)
    };
    // variable
    (@ $then:ident $context:tt [$($out:tt)*] $m:tt ?$($k:ident).+ $(, $($rest:tt)*)?) => {
        $crate::__fields!(@ $then $context [$($out)* {::core::stringify!($($k).+), debug, $($k).+}] $m $($($rest)*)?)
    };
    (@ $then:ident $context:tt [$($out:tt)*] $m:tt %$($k:ident).+ $(, $($rest:tt)*)?) => {
        $crate::__fields!(@ $then $context [$($out)* {::core::stringify!($($k).+), display, $($k).+}] $m $($($rest)*)?)
    };
    (@ $then:ident $context:tt [$($out:tt)*] $m:tt $($k:ident).+ $(, $($rest:tt)*)?) => {
        $crate::__fields!(@ $then $context [$($out)* {::core::stringify!($($k).+), plain, $($k).+}] $m $($($rest)*)?)
    };

    // The rest is the message.
    (@ $then:ident $context:tt $fields:tt [] $($message:tt)+) => {
        $crate::$then!($context $fields [$($message)+])
    };
}
