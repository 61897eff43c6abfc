//! The part of Python's pickle format that a `PyTorch` state dict needs. It is read as data: names of classes stay names, and nothing
//! is ever called.

use std::collections::HashMap;
use std::rc::Rc;

/// What a pickle can hold here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `None`, and objects of which only their presence matters.
    Nothing,
    /// A whole number or a truth value.
    Number(i64),
    Text(Rc<str>),
    Tuple(Rc<[Value]>),
    /// A list or a dict, as its items in order: a dict's are keys and values in turn.
    Items(Vec<Value>),
    /// A class or function by `module name`.
    Name(Rc<str>),
    /// What stands for data outside of the pickle.
    Reference(Rc<[Value]>),
    /// A function by name, that was to be called with these arguments.
    Call(Rc<str>, Rc<[Value]>),
}

/// A pickle's value, and the bytes behind it.
pub(crate) fn read(bytes: &[u8]) -> Result<(Value, &[u8]), String> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        if let Some(value) = machine.step()? {
            return Ok((value, &bytes[machine.at..]));
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
}

impl<'a> Machine<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("the pickle ends at byte {}", self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self, n_bytes: usize) -> Result<u32, String> {
        Ok(self.take(n_bytes)?.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte)))
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let n = self.bytes[self.at..].iter().position(|&byte| byte == b'\n').ok_or("a line does not end")?;
        let line = self.take(n + 1)?;
        std::str::from_utf8(&line[..n]).map_err(|_| "a name is not UTF-8".into())
    }

    fn pop(&mut self) -> Result<Value, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(format!("a value is missing before byte {}", self.at));
        }
        self.stack.pop().ok_or_else(|| "a value is missing".into())
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn tuple(&mut self, n: usize) -> Result<(), String> {
        let mut parts = (0..n).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        parts.reverse();
        self.stack.push(Value::Tuple(parts.into()));
        Ok(())
    }

    fn append(&mut self, items: Vec<Value>) -> Result<(), String> {
        match self.stack.last_mut() {
            Some(Value::Items(all)) => {
                all.extend(items);
                Ok(())
            }
            _ => Err("items without a list or dict".into()),
        }
    }

    // Lists and dicts are remembered as nothing: a state dict does not come back to them.
    fn remember(&mut self, n_bytes: usize) -> Result<(), String> {
        let place = self.number(n_bytes)?;
        let value = match self.stack.last() {
            Some(Value::Items(_)) => Value::Nothing,
            Some(value) => value.clone(),
            None => return Err("nothing to remember".into()),
        };
        self.memo.insert(place, value);
        Ok(())
    }

    fn recall(&mut self, n_bytes: usize) -> Result<(), String> {
        let place = self.number(n_bytes)?;
        let value = self.memo.get(&place).ok_or_else(|| format!("nothing was remembered as {place}"))?;
        self.stack.push(value.clone());
        Ok(())
    }

    fn call(&mut self) -> Result<(), String> {
        let Value::Tuple(arguments) = self.pop()? else { return Err("a call without arguments".into()) };
        let Value::Name(name) = self.pop()? else { return Err("a call of what is no function".into()) };
        self.stack.push(match &*name {
            "collections OrderedDict" if arguments.is_empty() => Value::Items(Vec::new()),
            "torch._utils _rebuild_tensor_v2" | "torch._utils _rebuild_parameter" => {
                Value::Call(name, arguments)
            }
            _ => return Err(format!("it calls `{name}`, which is not part of a state dict")),
        });
        Ok(())
    }

    // One instruction; a value when it was the last.
    fn step(&mut self) -> Result<Option<Value>, String> {
        let at = self.at;
        match self.take(1)?[0] {
            0x80 => drop(self.take(1)?), // PROTO
            b'(' => self.marks.push(self.stack.len()),
            b'.' => return self.pop().map(Some),
            b'}' | b']' => self.stack.push(Value::Items(Vec::new())),
            b')' => self.stack.push(Value::Tuple([].into())),
            b't' => {
                let parts = self.since_mark()?;
                self.stack.push(Value::Tuple(parts.into()));
            }
            0x85..=0x87 => self.tuple(usize::from(self.bytes[at] - 0x84))?,
            b'N' => self.stack.push(Value::Nothing),
            0x88 | 0x89 => self.stack.push(Value::Number(i64::from(self.bytes[at] == 0x88))),
            b'K' => self.push_number(1)?,
            b'M' => self.push_number(2)?,
            b'J' => {
                let value = self.number(4)? as i32;
                self.stack.push(Value::Number(i64::from(value)));
            }
            0x8a => {
                let n = self.number(1)? as usize;
                let bytes = self.take(n)?;
                // Eight bytes hold every size; the format's own mark is longer and only compared elsewhere.
                let value =
                    bytes.iter().take(8).rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
                self.stack.push(Value::Number(value as i64));
            }
            b'X' => {
                let n = self.number(4)? as usize;
                let text = std::str::from_utf8(self.take(n)?).map_err(|_| "a text is not UTF-8")?;
                self.stack.push(Value::Text(text.into()));
            }
            b'c' => {
                let name = format!("{} {}", self.line()?, self.line()?);
                self.stack.push(Value::Name(name.into()));
            }
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'Q' => match self.pop()? {
                Value::Tuple(parts) => self.stack.push(Value::Reference(parts)),
                _ => return Err("a reference that is no tuple".into()),
            },
            b'R' => self.call()?,
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.append(vec![key, value])?;
            }
            b'u' | b'e' => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b'b' => drop(self.pop()?), // attributes of an object, such as a dict's `_metadata`
            other => {
                return Err(format!("instruction {other:#04x} at byte {at} is not part of a state dict"));
            }
        }
        Ok(None)
    }

    fn push_number(&mut self, n_bytes: usize) -> Result<(), String> {
        let value = self.number(n_bytes)?;
        self.stack.push(Value::Number(i64::from(value)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_what_is_behind_them_is_left() {
        // pickle.dumps({"a": (1, 300, -2, None, True)}, protocol=2), then "rest".
        let bytes = b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01(K\x01M\x2c\x01J\xfe\xff\xff\xffN\x88tq\x02s.rest";
        let (value, rest) = read(bytes).unwrap();
        let numbers = [1, 300, -2].map(Value::Number);
        let tuple: Vec<Value> = numbers.into_iter().chain([Value::Nothing, Value::Number(1)]).collect();
        assert_eq!(value, Value::Items(vec![Value::Text("a".into()), Value::Tuple(tuple.into())]));
        assert_eq!(rest, b"rest");
    }

    #[test]
    fn nothing_is_called_and_everything_else_is_refused() {
        let system = b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.";
        assert!(read(system).unwrap_err().contains("os system"));
        for bytes in [
            &b""[..],
            b"\x80\x02",
            b".",
            b"R.",
            b"(K\x01",
            b"X\xff\xff\xff\xffa.",
            b"ccos\n",
            b"h\x09.",
            b"(s.",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        // Doubling tuples do not double in memory.
        let mut doubling = b"\x80\x02K\x01".to_vec();
        for place in 0..200u8 {
            doubling.extend([b'q', place, b'h', place, 0x86]);
        }
        doubling.push(b'.');
        assert!(matches!(read(&doubling), Ok((Value::Tuple(_), b""))));
    }
}
