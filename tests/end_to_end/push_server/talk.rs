//! The server's side of a WebSocket: what it makes of what a client says, and how its messages are put into frames.

use super::{Framing, How, MOMENT, Shared, Stream};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Error, Message, WebSocket};

/// A WebSocket, until it is told to end.
pub(super) fn talk(mut socket: WebSocket<Box<dyn Stream>>, shared: &Shared) {
    let number = {
        let mut how = shared.how.lock().unwrap();
        how.connections += 1;
        how.connections
    };
    let mut client = Client { number, ..Client::default() };
    if !shared.how.lock().unwrap().mute {
        let how = shared.how.lock().unwrap();
        // With all that may be granted, as OctoPrint lists it: it has about 20 KB.
        let permissions: Vec<_> =
            (0..200).map(|n| json!({"key": format!("PERMISSION_{n}"), "name": "x".repeat(60)})).collect();
        send(
            &mut socket,
            &how,
            &json!({"connected": {"version": how.version, "permissions": permissions}}).to_string(),
        );
        if how.guests {
            client.register(&mut socket, &how);
        }
    }
    while !shared.stop.load(Ordering::SeqCst) {
        let mut how = shared.how.lock().unwrap();
        if how.mute {
            drop(how);
            std::thread::sleep(MOMENT);
            continue;
        }
        let mine = |(to, _): &(usize, _)| *to == number;
        while let Some(at) = how.to_send.iter().position(mine) {
            let Some(text) = how.to_send.remove(at).1 else {
                how.known.retain(|known| *known != number);
                return;
            };
            send(&mut socket, &how, &text);
        }
        drop(how);
        match socket.read() {
            Ok(Message::Text(text)) => hear(&text, &mut client, &mut socket, shared),
            Ok(_) => {}
            Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
        let _ = socket.flush();
    }
    shared.how.lock().unwrap().known.retain(|known| *known != number);
}

/// What the server knows of a connection.
#[derive(Default)]
struct Client {
    number: usize,
    /// What it subscribed to; none if it did not.
    events: Option<Vec<String>>,
    registered: bool,
}

impl Client {
    /// It may see events, and is sent what OctoPrint then sends once.
    fn register(&mut self, socket: &mut WebSocket<Box<dyn Stream>>, how: &How) {
        if std::mem::replace(&mut self.registered, true) {
            return;
        }
        // To one that subscribed before, and not to the state, OctoPrint sends no history.
        if self.events.is_none() {
            let temperature = r#"{"time": 1700000000, "tool0": {"actual": 210.12, "target": 210.0}}"#;
            let temperatures = vec![temperature; how.history / temperature.len() + 1].join(", ");
            let state = json!({"text": how.printer});
            send(socket, how, &format!(r#"{{"history": {{"state": {state}, "temps": [{temperatures}]}}}}"#));
        }
        send(socket, how, r#"{"timelapse": null}"#);
    }
}

fn send(socket: &mut WebSocket<Box<dyn Stream>>, how: &How, text: &str) {
    let frame = |operation, payload: &str, last| Message::Frame(Frame::message(payload.to_string(), operation, last));
    let _ = match how.framing {
        Framing::Text => socket.send(Message::text(text)),
        Framing::Binary => socket.send(Message::binary(text.to_string())),
        Framing::Fragments => {
            for at in 0..3 {
                let data = if at == 0 { Data::Text } else { Data::Continue };
                let _ = socket.send(frame(OpCode::Data(data), &text[at..=at], false));
                let _ = socket.send(Message::Ping("still here".into()));
            }
            socket.send(frame(OpCode::Data(Data::Continue), &text[3..], true))
        }
    };
}

/// As OctoPrint's `on_message`, in `octoprint/server/util/sockjs.py`.
fn hear(text: &str, client: &mut Client, socket: &mut WebSocket<Box<dyn Stream>>, shared: &Shared) {
    let message: Value = serde_json::from_str(text).unwrap();
    let mut how = shared.how.lock().unwrap();
    if let Some(auth) = message.get("auth") {
        let auth = auth.as_str().unwrap();
        how.seen.push(format!("auth {auth}"));
        let ours = format!("{}:s{}", how.name, how.sessions);
        if auth.matches(':').count() != 1 {
            // It is passed over without a word.
        } else if auth != ours {
            send(socket, &how, r#"{"reauthRequired": {"reason": "stale"}}"#);
        } else if !how.deaf {
            // Who says it anew is told everything once, as before.
            if !how.known.contains(&client.number) {
                how.known.push(client.number);
            }
            if client.registered && client.events.iter().flatten().any(|event| event == "ClientAuthed") {
                send(socket, &how, r#"{"event": {"type": "ClientAuthed", "payload": {}}}"#);
            }
            client.register(socket, &how);
        }
    }
    if let Some(subscribe) = message.get("subscribe") {
        how.seen.push(format!("subscribe {subscribe}"));
        client.events = serde_json::from_value(subscribe["events"].clone()).ok();
    }
    shared.more.notify_all();
}
