//! Canonical JSON (RFC 8785), written straight into one buffer: what is large here, plans and
//! journals, is objects of text, whose parts only have to be put in order.

use serde::ser::{self, Serialize};

/// The canonical JSON of any data.
pub(crate) fn to_vec<T: Serialize + ?Sized>(data: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(256);
    data.serialize(Writer(&mut out))?;
    Ok(out)
}

/// Whole numbers up to here are written digit by digit; larger ones are doubles for RFC 8785.
const SAFE: u64 = (1 << 53) - 1;

type Done = Result<(), serde_json::Error>;

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn text(self, text: &str) -> Done {
        serde_json::to_writer(self.0, text)
    }

    #[expect(clippy::unnecessary_wraps, reason = "what serializers answer with")]
    fn word(self, word: &[u8]) -> Done {
        self.0.extend_from_slice(word);
        Ok(())
    }

    fn unsigned(self, number: u64) -> Done {
        if number <= SAFE {
            return serde_json::to_writer(self.0, &number);
        }
        self.rare(&number)
    }

    fn signed(self, number: i64) -> Done {
        if number.unsigned_abs() <= SAFE {
            return serde_json::to_writer(self.0, &number);
        }
        self.rare(&number)
    }

    /// Numbers that are hard to write right.
    fn rare<T: Serialize>(self, number: &T) -> Done {
        self.0
            .extend_from_slice(&serde_json_canonicalizer::to_vec(number)?);
        Ok(())
    }
}

/// A list that is being written.
struct List<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
    /// What ends it.
    end: &'static [u8],
}

impl<'a> List<'a> {
    fn new(out: &'a mut Vec<u8>, end: &'static [u8]) -> Self {
        out.push(b'[');
        Self {
            out,
            first: true,
            end,
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        value.serialize(Writer(self.out))
    }

    fn finish(self) {
        self.out.extend_from_slice(self.end);
    }
}

/// An object that is being written: its members stand in the buffer in the order in which they
/// came, and are put in that of their names at the end.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// Where its members begin.
    start: usize,
    /// Each member's name and where it ends, with its comma.
    members: Vec<(Name, usize)>,
    sorted: bool,
    end: &'static [u8],
}

enum Name {
    Fixed(&'static str),
    Made(String),
}

impl Name {
    fn as_str(&self) -> &str {
        match self {
            Self::Fixed(name) => name,
            Self::Made(name) => name,
        }
    }
}

/// Names are ordered by their UTF-16 units.
fn order(a: &str, b: &str) -> std::cmp::Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.cmp(b);
    }
    a.encode_utf16().cmp(b.encode_utf16())
}

impl<'a> Object<'a> {
    fn new(out: &'a mut Vec<u8>, end: &'static [u8]) -> Self {
        out.push(b'{');
        Self {
            start: out.len(),
            out,
            members: Vec::with_capacity(8),
            sorted: true,
            end,
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, name: Name, value: &T) -> Done {
        if let Some((before, _)) = self.members.last() {
            self.sorted &= order(before.as_str(), name.as_str()).is_lt();
        }
        serde_json::to_writer(&mut *self.out, name.as_str())?;
        self.out.push(b':');
        value.serialize(Writer(self.out))?;
        self.out.push(b',');
        self.members.push((name, self.out.len()));
        Ok(())
    }

    fn finish(mut self) -> Done {
        if !self.sorted {
            self.sort()?;
        }
        if !self.members.is_empty() {
            // The last comma.
            self.out.pop();
        }
        self.out.extend_from_slice(self.end);
        Ok(())
    }

    fn sort(&mut self) -> Done {
        let came = self.out.split_off(self.start);
        let mut from = 0;
        let mut parts: Vec<(&str, &[u8])> = Vec::with_capacity(self.members.len());
        for (name, end) in &self.members {
            let to = end - self.start;
            parts.push((name.as_str(), &came[from..to]));
            from = to;
        }
        parts.sort_by(|a, b| order(a.0, b.0));
        if parts.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(ser::Error::custom("two members of an object have one name"));
        }
        for (_, part) in parts {
            self.out.extend_from_slice(part);
        }
        Ok(())
    }
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Map<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Object<'a>;

    fn serialize_bool(self, v: bool) -> Done {
        self.word(if v { b"true" } else { b"false" })
    }

    fn serialize_i8(self, v: i8) -> Done {
        self.signed(v.into())
    }

    fn serialize_i16(self, v: i16) -> Done {
        self.signed(v.into())
    }

    fn serialize_i32(self, v: i32) -> Done {
        self.signed(v.into())
    }

    fn serialize_i64(self, v: i64) -> Done {
        self.signed(v)
    }

    fn serialize_i128(self, v: i128) -> Done {
        self.rare(&v)
    }

    fn serialize_u8(self, v: u8) -> Done {
        self.unsigned(v.into())
    }

    fn serialize_u16(self, v: u16) -> Done {
        self.unsigned(v.into())
    }

    fn serialize_u32(self, v: u32) -> Done {
        self.unsigned(v.into())
    }

    fn serialize_u64(self, v: u64) -> Done {
        self.unsigned(v)
    }

    fn serialize_u128(self, v: u128) -> Done {
        self.rare(&v)
    }

    fn serialize_f32(self, v: f32) -> Done {
        self.rare(&v)
    }

    fn serialize_f64(self, v: f64) -> Done {
        self.rare(&v)
    }

    fn serialize_char(self, v: char) -> Done {
        self.text(v.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, v: &str) -> Done {
        self.text(v)
    }

    fn serialize_bytes(self, v: &[u8]) -> Done {
        let mut list = List::new(self.0, b"]");
        v.iter().try_for_each(|byte| list.add(byte))?;
        list.finish();
        Ok(())
    }

    fn serialize_none(self) -> Done {
        self.word(b"null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        self.word(b"null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.word(b"null")
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        let mut object = Object::new(self.0, b"}");
        object.add(Name::Fixed(variant), value)?;
        object.finish()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, serde_json::Error> {
        Ok(List::new(self.0, b"]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a>, serde_json::Error> {
        Ok(List::new(self.0, b"]"))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<List<'a>, serde_json::Error> {
        Ok(List::new(self.0, b"]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'a>, serde_json::Error> {
        self.0.push(b'{');
        Writer(self.0).text(variant)?;
        self.0.push(b':');
        Ok(List::new(self.0, b"]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map<'a>, serde_json::Error> {
        Ok(Map {
            object: Object::new(self.0, b"}"),
            name: None,
        })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'a>, serde_json::Error> {
        Ok(Object::new(self.0, b"}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a>, serde_json::Error> {
        self.0.push(b'{');
        Writer(self.0).text(variant)?;
        self.0.push(b':');
        Ok(Object::new(self.0, b"}}"))
    }
}

/// Says of each trait for lists that it is served by [`List`].
macro_rules! lists {
    ($($trait:ident $add:ident),*) => {$(
        impl ser::$trait for List<'_> {
            type Ok = ();
            type Error = serde_json::Error;

            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.add(value)
            }

            fn end(self) -> Done {
                self.finish();
                Ok(())
            }
        }
    )*};
}

lists!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

/// Says of each trait for structs that it is served by [`Object`].
macro_rules! objects {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Object<'_> {
            type Ok = ();
            type Error = serde_json::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Done {
                self.add(Name::Fixed(name), value)
            }

            fn end(self) -> Done {
                self.finish()
            }
        }
    )*};
}

objects!(SerializeStruct, SerializeStructVariant);

/// A map: its names come as data.
struct Map<'a> {
    object: Object<'a>,
    name: Option<String>,
}

impl ser::SerializeMap for Map<'_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        // A name that is no text becomes one as serde_json has it, or is refused.
        let name = match serde_json::to_value(key)? {
            serde_json::Value::String(name) => name,
            serde_json::Value::Number(name) => name.to_string(),
            serde_json::Value::Bool(name) => name.to_string(),
            _ => return Err(ser::Error::custom("the name of a member has to be text")),
        };
        self.name = Some(name);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        let name = self.name.take().unwrap_or_default();
        self.object.add(Name::Made(name), value)
    }

    fn end(self) -> Done {
        self.object.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;
    use std::collections::BTreeMap;

    /// What is written here and what the canonicalizer writes.
    fn both<T: Serialize>(data: &T) -> (String, String) {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let theirs = serde_json_canonicalizer::to_vec(data).expect("canonical");
        (text(to_vec(data).expect("canonical")), text(theirs))
    }

    #[derive(Serialize)]
    enum Kind {
        Unit,
        One(u8),
        Two(i8, char),
        Named { z: bool, a: () },
    }

    #[derive(Serialize)]
    struct Everything {
        z: Option<&'static str>,
        kinds: Vec<Kind>,
        a: (f64, f32, i64, u64),
        m: BTreeMap<String, Vec<u8>>,
        n: BTreeMap<u32, Option<bool>>,
    }

    #[test]
    fn it_is_what_the_canonicalizer_writes() {
        let names = ["\u{e000}", "\u{1f510}", "b", "", "a\"\\\u{1}", "é"];
        let data = Everything {
            z: Some("\u{7f}\u{2028}\u{1f}/\"\\\n\r\t\u{8}\u{c}é"),
            kinds: vec![
                Kind::Unit,
                Kind::One(0),
                Kind::Two(-1, '"'),
                Kind::Named { z: true, a: () },
            ],
            a: (1e21, 0.1, -(1 << 60), u64::MAX),
            m: names.map(|name| (name.to_string(), vec![1, 255])).into(),
            n: [(10, None), (9, Some(true))].into(),
        };
        let (ours, theirs) = both(&data);
        assert_eq!(ours, theirs);
        assert!(ours.starts_with(r#"{"a":[1e+21,"#), "{ours}");
    }

    #[test]
    fn numbers_are_doubles_whatever_their_size() {
        for number in [0, 1, SAFE - 1, SAFE, SAFE + 1, SAFE + 2, u64::MAX] {
            let (ours, theirs) = both(&number);
            assert_eq!(ours, theirs);
        }
        for number in [0.0, -0.0, 1.0, 1.5, 1e-7, 123_456_789_012_345_680.0_f64] {
            let (ours, theirs) = both(&serde_json::json!({ "n": [number, -number] }));
            assert_eq!(ours, theirs);
        }
        assert!(to_vec(&f64::NAN).is_err() == serde_json_canonicalizer::to_vec(&f64::NAN).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_object_is_written_alike(
            data in proptest::collection::btree_map(
                ".{0,4}",
                proptest::collection::hash_map(".{0,3}", proptest::prelude::any::<(i64, bool, String)>(), 0..4),
                0..6,
            )
        ) {
            let (ours, theirs) = both(&data);
            proptest::prop_assert_eq!(ours, theirs);
        }
    }
}
