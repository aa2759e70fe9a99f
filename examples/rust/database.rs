//! A program that uses SQLite, and whose log has what the program, its wrapper and SQLite itself say.
//!
//! ```text
//! cargo run -p examples --bin database -- :memory:
//! ```
//!
//! `#[instrument]` puts each call of the wrapper into a span. SQLite's own messages come through its log callback, which C
//! calls: there, `ffi_warn!` is used, which never unwinds.

use logfusion::{CText, error, ffi_warn, info, instrument};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, ffi};
use std::error::Error;
use std::ffi::{c_char, c_int, c_void};
use std::fmt;
use std::process::ExitCode;
use std::sync::Once;
use std::time::Instant;

/// What went wrong with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseError {
    /// The connection string has a NUL in it.
    InvalidConnectionString,
    /// SQLite can't open the database.
    ConnectionFailed,
    /// The query has a NUL in it.
    InvalidQuery,
    /// SQLite refuses the query, with this (extended) code.
    QueryFailed(c_int),
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidConnectionString => f.write_str("the connection string is not one"),
            Self::ConnectionFailed => f.write_str("the database can't be opened"),
            Self::InvalidQuery => f.write_str("the query is not one"),
            Self::QueryFailed(code) => write!(f, "the query failed: SQLite says {code}"),
        }
    }
}

impl Error for DatabaseError {}

/// SQLite's log. It may be called on any thread that uses SQLite, which must not be called from here.
unsafe extern "C" fn on_sqlite_log(_: *mut c_void, code: c_int, message: *const c_char) {
    // SAFETY: SQLite gives a NUL-terminated text that lives during the call.
    let message = unsafe { CText::new(message) };
    ffi_warn!(target: "sqlite", message, code);
}

/// Sends SQLite's log here. It can be set before SQLite is first used.
fn listen_to_sqlite() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let callback: unsafe extern "C" fn(*mut c_void, c_int, *const c_char) = on_sqlite_log;
        // SAFETY: for this option SQLite takes a function of that type and a context, of which it needs none. No other thread
        // uses SQLite yet.
        let code = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_LOG, callback, std::ptr::null_mut::<c_void>()) };
        if code != ffi::SQLITE_OK {
            error!(error_code = code, "SQLite's log stays silent");
        }
    });
}

/// The beginning of a query, for the log: at most 100 bytes, cut between two characters.
fn preview(query: &str) -> &str {
    let mut end = query.len().min(100);
    while !query.is_char_boundary(end) {
        end -= 1;
    }
    &query[..end]
}

/// An open database; closed when it is dropped.
#[derive(Debug)]
pub struct DatabaseConnection {
    /// `None` while it is dropped.
    connection: Option<Connection>,
}

impl DatabaseConnection {
    /// Opens a database: a path, `:memory:`, or a `file:` URI. The string may hold what is not for the log.
    #[instrument(skip(connection_string))]
    pub fn connect(connection_string: &str) -> Result<Self, DatabaseError> {
        info!("connecting");
        listen_to_sqlite();
        match Connection::open(connection_string) {
            Ok(connection) => {
                info!("connected");
                Ok(Self { connection: Some(connection) })
            }
            Err(rusqlite::Error::NulError(_)) => Err(DatabaseError::InvalidConnectionString),
            Err(error) => {
                error!(error_code = code_of(&error), %error, "the connection failed");
                Err(DatabaseError::ConnectionFailed)
            }
        }
    }

    /// Executes the statements of a query; returns how many rows they changed.
    #[instrument(skip_all, fields(query_preview = preview(query)))]
    pub fn execute(&self, query: &str) -> Result<i32, DatabaseError> {
        let started = Instant::now();
        info!("executing");
        if query.contains('\0') {
            // SQLite would stop there, and execute the half of it.
            error!("the query has a NUL in it");
            return Err(DatabaseError::InvalidQuery);
        }
        let result = self.run(query);
        let duration_ms = started.elapsed().as_secs_f64() * 1e3;
        match result {
            Ok(rows) => {
                let rows_affected = i32::try_from(rows).unwrap_or(i32::MAX);
                info!(rows_affected, duration_ms, "executed");
                Ok(rows_affected)
            }
            Err(error) => {
                let error_code = code_of(&error);
                error!(error_code, duration_ms, %error, "the query failed");
                Err(DatabaseError::QueryFailed(error_code))
            }
        }
    }

    fn run(&self, query: &str) -> rusqlite::Result<usize> {
        let Some(connection) = &self.connection else { return Ok(0) };
        let mut changed = 0;
        let mut statements = Batch::new(connection, query);
        while let Some(mut statement) = statements.next()? {
            if statement.column_count() == 0 {
                changed += statement.execute([])?;
            } else {
                // A query returns rows and changes none, as far as this example goes.
                let mut rows = statement.query([])?;
                while rows.next()?.is_some() {}
            }
        }
        Ok(changed)
    }
}

impl Drop for DatabaseConnection {
    fn drop(&mut self) {
        info!("closing the connection");
        match self.connection.take().map(Connection::close) {
            Some(Err((_, error))) => error!(error_code = code_of(&error), "the connection is not closed"),
            _ => info!("connection closed"),
        }
    }
}

/// SQLite's code for an error; -1 for those that are rusqlite's own.
fn code_of(error: &rusqlite::Error) -> c_int {
    match error {
        rusqlite::Error::SqlInputError { error, .. } => error.extended_code,
        error => error.sqlite_error().map_or(-1, |error| error.extended_code),
    }
}

fn main() -> ExitCode {
    let connection_string = std::env::args().nth(1).unwrap_or_else(|| ":memory:".to_owned());
    let database = match DatabaseConnection::connect(&connection_string) {
        Ok(database) => database,
        Err(error) => {
            error!(%error, "no database");
            return ExitCode::FAILURE;
        }
    };
    let long = format!("INSERT INTO players(name) VALUES ('{}')", "\u{e9}".repeat(100));
    let queries = [
        "CREATE TABLE players (id INTEGER PRIMARY KEY, name TEXT UNIQUE)",
        "INSERT INTO players (name) VALUES ('ada'), ('grace'); INSERT INTO players (name) VALUES ('joan')",
        "UPDATE players SET name = upper(name) WHERE id < 3",
        &long,
        "SELECT * FROM players",
        "INSERT INTO players (name) VALUES ('joan')",
        "SELEKT * FROM players",
        "SELECT '\0'",
    ];
    for query in queries {
        if let Err(error) = database.execute(query) {
            error!(%error, "the program goes on");
        }
    }
    ExitCode::SUCCESS
}
