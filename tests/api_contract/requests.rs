//! Short forms of what the tests ask for.

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{Answer, OPERATOR, Server};

impl Server {
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.account("GET", path, None).is(200).json()
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: Value) -> Value {
        self.account("POST", path, Some(&body)).is(201).json()
    }

    #[track_caller]
    pub fn put(&self, path: &str, body: Value) -> Value {
        self.account("PUT", path, Some(&body)).is(200).json()
    }

    #[track_caller]
    pub fn delete(&self, path: &str) {
        let answer = self.account("DELETE", path, None).is(204);
        assert!(answer.body.is_empty(), "{answer:?}");
    }

    /// That it is refused so, and with which text.
    #[track_caller]
    pub fn refused(&self, status: u16, method: &str, path: &str, body: Option<Value>) -> String {
        let answer = self.account(method, path, body.as_ref()).is(status);
        let json = answer.json();
        assert!(json["message"].is_string() && json["error"].is_string(), "{json}");
        json["message"].as_str().unwrap().to_owned()
    }

    /// Ends it with SIGKILL, and hands its folder over.
    pub fn kill_nine(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, TempDir::new().unwrap())
    }

    /// As the operator, on the account of the server.
    pub fn operate(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let token = format!("X-Operator-Token: {OPERATOR}");
        self.ask(method, &format!("/api/v1/Account/MA_LOCAL/{path}"), &[&token], body)
    }
}

/// The id that an answer shows.
#[track_caller]
pub fn id(object: &Value) -> String {
    object.get("id").or_else(|| object.get("trunk_id")).and_then(Value::as_str).unwrap().to_owned()
}
