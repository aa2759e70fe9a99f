//! "Advanced FFI patterns": connections, real ones to SQLite.
//!
//! The list of connections is locked for moments only, each connection while a statement runs or it is closed.

use super::table::{Argument, ERROR, INFO, Unread, emit};
use crate::c_api::errors::fail;
use crate::c_api::status::Status;
use crate::c_api::{marked_boundary, text};
use crate::lifecycle::lock_within;
use crate::os::HostGuard;
use crate::sync::{Mutex, MutexGuard, lock};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection};
use std::collections::HashMap;
use std::ffi::{c_char, c_int};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// Whatever is wrong with a pointer or a number.
const BAD: c_int = -1;
/// What cannot be: opened, found.
const REFUSED: c_int = -2;
/// What went wrong inside.
const FAILED: c_int = -3;

/// `None`: closed, by a thread that found it before the thread that looks.
type Shared = Arc<Mutex<Option<Connection>>>;

#[derive(Default)]
struct Connections {
    last_id: c_int,
    open: HashMap<c_int, Shared>,
}

static CONNECTIONS: LazyLock<Mutex<Connections>> = LazyLock::new(Mutex::default);

/// Locks the list; in a child that was forked while it was locked, it stays so, and the functions fail.
fn connections() -> Option<MutexGuard<'static, Connections>> {
    let list = lock_within(&CONNECTIONS, Some(Duration::from_secs(1)));
    if list.is_none() {
        fail(Status::Busy, format_args!("the list of connections is locked"));
    }
    list
}

/// See `logfusion_create_connection` in the header.
///
/// # Safety
///
/// `connection_string` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_create_connection(connection_string: *const c_char) -> c_int {
    const NAME: &str = "logfusion_create_connection";
    marked_boundary(FAILED, |mark| {
        let _host = HostGuard::new();
        // SAFETY: the caller promises NULL or a NUL-terminated string.
        let Some(shown) = (unsafe { Unread::required(NAME, "connection_string", connection_string) }) else {
            return BAD;
        };
        // SAFETY: as above.
        let Ok(name) = (unsafe { text::utf8(NAME, "connection_string", connection_string) }) else { return REFUSED };
        let connection = match Connection::open(name) {
            Ok(connection) => connection,
            Err(error) => {
                fail(Status::Output, format_args!("{NAME}: {name:?} can't be opened: {error}"));
                return REFUSED;
            }
        };
        let Some(mut list) = connections() else { return FAILED };
        let Some(id) = list.last_id.checked_add(1) else {
            fail(Status::Internal, format_args!("{NAME}: there are no more ids"));
            return FAILED;
        };
        list.last_id = id;
        list.open.insert(id, Arc::new(Mutex::new(Some(connection))));
        drop(list);
        let fields = [("connection_id", id.into()), ("connection_string", shown.into())];
        emit(mark, INFO, "ffi::database", "connection opened", fields);
        id
    })
}

/// See `logfusion_execute_statement` in the header.
///
/// # Safety
///
/// `sql` is NULL or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn logfusion_execute_statement(connection_id: c_int, sql: *const c_char) -> c_int {
    const NAME: &str = "logfusion_execute_statement";
    marked_boundary(FAILED, |mark| {
        let _host = HostGuard::new();
        if sql.is_null() || connection_id <= 0 {
            fail(Status::Invalid, format_args!("{NAME}: sql is NULL, or the connection's id {connection_id}"));
            return BAD;
        }
        // SAFETY: not NULL, and the caller promises a NUL-terminated string.
        let Ok(sql) = (unsafe { text::utf8(NAME, "sql", sql) }) else { return REFUSED };
        let Some(list) = connections() else { return FAILED };
        let shared = list.open.get(&connection_id).cloned();
        drop(list);
        let connection = shared.as_deref().map(lock);
        let Some(connection) = connection.as_ref().and_then(|connection| connection.as_ref()) else {
            fail(Status::Unknown, format_args!("{NAME}: there is no connection {connection_id}"));
            return REFUSED;
        };
        let begun = Instant::now();
        let result = execute(connection, sql);
        let duration = Argument::Double(begun.elapsed().as_secs_f64() * 1000.0);
        let preview = sql.char_indices().nth(100).map_or(sql, |(end, _)| &sql[..end]);
        let (message, level, outcome, code) = match &result {
            Ok(rows) => {
                let rows = c_int::try_from(*rows).unwrap_or(c_int::MAX);
                ("statement", INFO, ("rows_affected", Argument::Int(rows)), rows)
            }
            Err(error) => {
                fail(Status::Invalid, format_args!("{NAME}: {error}"));
                let code = error.sqlite_error().map_or(rusqlite::ffi::SQLITE_ERROR, |error| error.extended_code);
                ("statement failed", ERROR, ("error_code", Argument::Int(code)), FAILED)
            }
        };
        let fields = [
            ("connection_id", connection_id.into()),
            ("operation", Argument::Str(first_keyword(sql))),
            ("statement", Argument::Str(preview)),
            outcome,
            ("duration_ms", duration),
        ];
        emit(mark, level, "ffi::database", message, fields);
        code
    })
}

/// Runs all statements of `sql`; rows of a query are stepped through. Returns how many rows were changed.
fn execute(connection: &Connection, sql: &str) -> Result<u64, rusqlite::Error> {
    let mut batch = Batch::new(connection, sql);
    let mut affected = 0;
    while let Some(mut statement) = batch.next()? {
        let before = connection.total_changes();
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        // `changes` speaks of the last statement that could change rows: a CREATE TABLE leaves it as it was.
        if connection.total_changes() > before {
            affected += connection.changes();
        }
    }
    Ok(affected)
}

/// The first word, behind white space and comments.
fn first_keyword(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        let comment_end = if rest.starts_with("--") {
            rest.find('\n')
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|place| place + 2)
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            return &rest[..end];
        };
        rest = comment_end.map_or("", |end| rest[end..].trim_start());
    }
}

/// See `logfusion_destroy_connection` in the header.
#[unsafe(no_mangle)]
pub extern "C" fn logfusion_destroy_connection(connection_id: c_int) -> c_int {
    const NAME: &str = "logfusion_destroy_connection";
    marked_boundary(FAILED, |mark| {
        let _host = HostGuard::new();
        if connection_id <= 0 {
            fail(Status::Invalid, format_args!("{NAME}: {connection_id} is no id"));
            return BAD;
        }
        let Some(mut list) = connections() else { return FAILED };
        let shared = list.open.remove(&connection_id);
        drop(list);
        let Some(shared) = shared else {
            fail(Status::Unknown, format_args!("{NAME}: there is no connection {connection_id}"));
            return REFUSED;
        };
        let connection = lock(&shared).take();
        if let Some(Err((_, error))) = connection.map(Connection::close) {
            fail(Status::Internal, format_args!("{NAME}: connection {connection_id} can't be closed: {error}"));
            return FAILED;
        }
        emit(mark, INFO, "ffi::database", "connection closed", [("connection_id", connection_id.into())]);
        0
    })
}

plain_names! {
    create_connection = logfusion_create_connection(connection_string: *const c_char) -> c_int;
    execute_statement = logfusion_execute_statement(connection_id: c_int, sql: *const c_char) -> c_int;
    destroy_connection = logfusion_destroy_connection(connection_id: c_int) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_keyword_is_behind_white_space_and_comments() {
        for (sql, keyword) in [
            ("SELECT 1", "SELECT"),
            ("  -- why\n /* and how */insert into t", "insert"),
            ("pragma_less;", "pragma"),
            ("", ""),
            ("-- nothing", ""),
            ("/* open", ""),
            ("(1)", ""),
        ] {
            assert_eq!(first_keyword(sql), keyword, "{sql}");
        }
    }

    #[test]
    fn rows_are_counted_as_they_are_changed() {
        let connection = Connection::open_in_memory().expect("memory");
        let run = |sql| execute(&connection, sql).expect(sql);
        assert_eq!(run("CREATE TABLE t (a)"), 0);
        assert_eq!(run("INSERT INTO t VALUES (1), (2), (3)"), 3);
        assert_eq!(run("CREATE TABLE u (a)"), 0, "not what the INSERT changed");
        assert_eq!(run("SELECT * FROM t"), 0);
        assert_eq!(run("UPDATE t SET a = 0 WHERE a > 1; DELETE FROM t WHERE a = 1; SELECT 1;"), 3);
        assert_eq!(run("INSERT INTO t VALUES (7) RETURNING a"), 1);
        assert_eq!(run(" ; -- nothing"), 0);
    }
}
