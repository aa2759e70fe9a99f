//! "Advanced FFI Patterns": state that several threads share, and work that calls back.

use crate::common::{flush_all, log_bytes};
use crate::{common, events, log_file};
use logfusion::{error, ffi_info, info, safe_c_str_to_string, warn};
use serde_json::json;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::net::UdpSocket;
use std::ptr::null;
use std::sync::{Mutex, PoisonError, mpsc};

/// Open connections, by an id that is never used again.
struct Connections {
    open: Option<HashMap<c_int, UdpSocket>>,
    last_id: c_int,
}

static CONNECTIONS: Mutex<Connections> = Mutex::new(Connections { open: None, last_id: 0 });

/// Connects to an address.
///
/// # Safety
///
/// `address` is NULL or a NUL-terminated string.
unsafe extern "C" fn create_connection(address: *const c_char) -> c_int {
    if address.is_null() {
        error!("no address was given");
        return -1;
    }
    // SAFETY: not NULL, and the caller's promise.
    let Some(address) = (unsafe { safe_c_str_to_string(address) }) else {
        error!("the address is not UTF-8");
        return -2;
    };
    let socket = match UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.connect(&address).map(|()| socket)) {
        Ok(socket) => socket,
        Err(error) => {
            error!(address, %error, "can't connect");
            return -2;
        }
    };
    // A thread that panicked with the lock held has left whole entries behind.
    let mut connections = CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(id) = connections.last_id.checked_add(1) else { return -3 };
    connections.last_id = id;
    connections.open.get_or_insert_default().insert(id, socket);
    drop(connections);
    info!(connection_id = id, address, "connected");
    id
}

extern "C" fn destroy_connection(connection_id: c_int) -> c_int {
    if connection_id <= 0 {
        error!(connection_id, "not an id");
        return -1;
    }
    let mut connections = CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let closed = connections.open.as_mut().and_then(|open| open.remove(&connection_id));
    drop(connections);
    match closed {
        Some(_) => {
            info!(connection_id, "closed");
            0
        }
        None => {
            warn!(connection_id, "unknown connection");
            -2
        }
    }
}

#[test]
fn connections_are_kept_by_id() {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = CString::new(peer.local_addr().unwrap().to_string()).unwrap();
    let mut id = 0;
    let seen = events(|| {
        // SAFETY: each is NUL-terminated or NULL.
        unsafe {
            id = create_connection(address.as_ptr());
            assert!(id > 0);
            assert_eq!(create_connection(null()), -1);
            assert_eq!(create_connection(c"\xff".as_ptr()), -2);
            assert_eq!(create_connection(c"nowhere".as_ptr()), -2);
        }
        assert_eq!([destroy_connection(id), destroy_connection(id), destroy_connection(0)], [0, -2, -1]);
    });
    let target = "guide::advanced";
    let address = address.to_str().unwrap();
    let expected = [
        json!(["INFO", target, {"message": "connected", "connection_id": id, "address": address}]),
        json!(["ERROR", target, {"message": "no address was given"}]),
        json!(["ERROR", target, {"message": "the address is not UTF-8"}]),
        json!(["ERROR", target, {"message": "can't connect", "address": "nowhere", "error": "invalid socket address"}]),
        json!(["INFO", target, {"message": "closed", "connection_id": id}]),
        json!(["WARN", target, {"message": "unknown connection", "connection_id": id}]),
        json!(["ERROR", target, {"message": "not an id", "connection_id": 0}]),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn threads_share_them() {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = CString::new(peer.local_addr().unwrap().to_string()).unwrap();
    log_file();
    let mut ids: Vec<c_int> = std::thread::scope(|scope| {
        let open = || {
            // SAFETY: NUL-terminated.
            let ids: Vec<c_int> = (0..10).map(|_| unsafe { create_connection(address.as_ptr()) }).collect();
            ids.iter().for_each(|id| assert_eq!(destroy_connection(*id), 0));
            ids
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 40, "no id was given twice");
}

type Done = extern "C" fn(id: c_int, status: c_int, result: *const c_char);

/// Calls back, on a thread of its own, when everything logged before has been delivered.
extern "C" fn async_operation(operation_id: c_int, callback: Option<Done>) -> c_int {
    let Some(callback) = callback else { return -1 };
    ffi_info!(target: "guide::async", operation_id, "started");
    let worker = std::thread::Builder::new().name("flush".into()).spawn(move || {
        flush_all();
        let result = CString::new(format!("operation {operation_id} is done")).expect("no NUL in it");
        // The text lives as long as the call.
        callback(operation_id, 0, result.as_ptr());
    });
    if worker.is_ok() { 0 } else { -2 }
}

#[test]
fn an_operation_calls_back_when_its_records_are_out() {
    /// Id, status, text, and whether the record is in the file.
    type Called = (c_int, c_int, String, bool);
    static DONE: Mutex<Option<mpsc::Sender<Called>>> = Mutex::new(None);

    extern "C" fn done(id: c_int, status: c_int, result: *const c_char) {
        // SAFETY: NUL-terminated, and it lives during the call.
        let result = unsafe { CStr::from_ptr(result) }.to_str().unwrap().to_owned();
        let is_out = std::fs::read_to_string(log_file()).unwrap().contains("before the operation");
        let sender = DONE.lock().unwrap().take().expect("called once");
        sender.send((id, status, result, is_out)).unwrap();
    }

    let (sender, receiver) = mpsc::channel();
    *DONE.lock().unwrap() = Some(sender);
    let seen = events(|| {
        assert_eq!(log_bytes(common::INFO, b"guide::async", b"before the operation"), common::OK);
        assert_eq!(async_operation(3, Some(done)), 0);
        let limit = std::time::Duration::from_secs(20);
        let expected = (3, 0, "operation 3 is done".to_owned(), true);
        assert_eq!(receiver.recv_timeout(limit).unwrap(), expected);
        assert_eq!(async_operation(3, None), -1);
    });
    let expected = [
        json!(["INFO", "guide::async", {"message": "before the operation"}]),
        json!(["INFO", "guide::async", {"message": "started", "operation_id": 3}]),
    ];
    assert_eq!(seen, expected);
}
