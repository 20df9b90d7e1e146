//! Writes JSON straight into bytes: no tree is built, so a gigabyte of it takes seconds.

/// JSON under construction.
#[derive(Default)]
pub(crate) struct Json(pub(crate) Vec<u8>);

impl Json {
    /// An object built by `fill`, as text.
    pub(crate) fn object(fill: impl FnOnce(&mut Json)) -> String {
        let mut json = Json::default();
        json.0.push(b'{');
        fill(&mut json);
        json.0.push(b'}');
        String::from_utf8(json.0).expect("built from texts only")
    }

    fn comma(&mut self) {
        if !matches!(self.0.last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(b',');
        }
    }

    fn quoted(&mut self, text: &str) {
        self.0.push(b'"');
        for byte in text.bytes() {
            match byte {
                b'"' => self.0.extend_from_slice(b"\\\""),
                b'\\' => self.0.extend_from_slice(b"\\\\"),
                b'\n' => self.0.extend_from_slice(b"\\n"),
                0..0x20 => self
                    .0
                    .extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.0.push(byte),
            }
        }
        self.0.push(b'"');
    }

    fn name(&mut self, name: &str) {
        self.comma();
        self.quoted(name);
        self.0.push(b':');
    }

    /// A member that is a text.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    /// A member whose value is JSON already.
    pub(crate) fn raw(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.extend_from_slice(value.as_bytes());
    }

    /// A member that is true or false.
    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    /// A member that is an object.
    pub(crate) fn member(&mut self, name: &str, fill: impl FnOnce(&mut Json)) {
        self.name(name);
        self.0.push(b'{');
        fill(self);
        self.0.push(b'}');
    }

    /// A member that is a list of texts.
    pub(crate) fn list<T: AsRef<str>>(&mut self, name: &str, values: &[T]) {
        self.name(name);
        self.0.push(b'[');
        for value in values {
            self.comma();
            self.quoted(value.as_ref());
        }
        self.0.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_it_is_escaped() {
        let text = Json::object(|json| {
            json.text("a\"", "\\ \" \n \u{1} ü");
            json.list("l", &["{", "["]);
            json.member("m", |json| json.flag("f", true));
            json.raw("n", "null");
        });
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let expected = serde_json::json!({
            "a\"": "\\ \" \n \u{1} ü", "l": ["{", "["], "m": {"f": true}, "n": null,
        });
        assert_eq!(value, expected);
    }
}
