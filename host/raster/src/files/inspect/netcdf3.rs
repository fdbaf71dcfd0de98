//! Finds where a variable ends in netCDF's classic formats, from the file's head: the library reads zeros where a file is too short.

/// Bytes of the head that are read, at most.
const LONGEST: usize = 64 << 20;

/// The byte after the last one of this variable, or of all variables if there is none of this name. `None` if the file is no classic
/// netCDF, or its head can't be read to its end.
pub(crate) fn end(read: &mut dyn FnMut(u64, usize) -> Vec<u8>, variable: Option<&str>) -> Option<u64> {
    let mut len = 64 << 10;
    loop {
        let bytes = read(0, len);
        if !bytes.starts_with(b"CDF") {
            return None;
        }
        let whole = bytes.len() < len;
        if let Some(head) = Head::parse(&bytes) {
            return head.end(variable);
        }
        if whole || len >= LONGEST {
            return None;
        }
        len *= 8;
    }
}

struct Head {
    /// How many records there are; `None` if the file doesn't say.
    records: Option<u64>,
    variables: Vec<Variable>,
}

struct Variable {
    name: Vec<u8>,
    begin: u64,
    /// Bytes, of one record if it has records.
    size: u64,
    has_records: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        const DIMENSIONS: u64 = 10;
        const VARIABLES: u64 = 11;
        let (&version, rest) = bytes.get(3..)?.split_first()?;
        if !matches!(version, 1 | 2 | 5) {
            return None;
        }
        let mut r = Reader { rest, wide: version == 5 };
        let records = r.count()?;
        let streaming = records == if r.wide { u64::MAX } else { u64::from(u32::MAX) };
        let mut dimensions = Vec::new();
        for _ in 0..r.list(DIMENSIONS)? {
            r.name()?;
            dimensions.push(r.count()?);
        }
        r.attributes()?;
        let mut variables = Vec::new();
        for _ in 0..r.list(VARIABLES)? {
            let name = r.name()?.to_vec();
            let mut sizes = Vec::new();
            for _ in 0..r.count()? {
                sizes.push(*dimensions.get(usize::try_from(r.count()?).ok()?)?);
            }
            r.attributes()?;
            let item = bytes_of(r.number(4)?)?;
            // The size as stored is capped for large variables.
            r.count()?;
            let begin = r.number(if version == 1 { 4 } else { 8 })?;
            let has_records = sizes.first() == Some(&0);
            let size = sizes.iter().skip(usize::from(has_records)).try_fold(item, |all, n| all.checked_mul(*n))?;
            variables.push(Variable { name, begin, size, has_records });
        }
        Some(Self { records: (!streaming).then_some(records), variables })
    }

    fn end(&self, variable: Option<&str>) -> Option<u64> {
        let of_records: Vec<_> = self.variables.iter().filter(|v| v.has_records).collect();
        // Each variable's part of a record starts at a multiple of four bytes, unless there is only one.
        let record = match of_records.as_slice() {
            [only] => only.size,
            many => many.iter().try_fold(0u64, |all, v| all.checked_add(v.size.checked_next_multiple_of(4)?))?,
        };
        let end_of = |v: &Variable| {
            if !v.has_records {
                return v.begin.checked_add(v.size);
            }
            match self.records {
                Some(0) | None => Some(0),
                Some(n) => (n - 1).checked_mul(record)?.checked_add(v.begin)?.checked_add(v.size),
            }
        };
        let named = self.variables.iter().find(|v| variable.is_some_and(|name| name.as_bytes() == v.name));
        match named {
            Some(v) => end_of(v),
            None => self.variables.iter().map(end_of).try_fold(0, |all: u64, end| Some(all.max(end?))),
        }
    }
}

/// Bytes of an item of one of netCDF's types.
const fn bytes_of(kind: u64) -> Option<u64> {
    match kind {
        1 | 2 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 5 | 9 => Some(4),
        6 | 10 | 11 => Some(8),
        _ => None,
    }
}

/// The rest of a head. All that it reads is `None` beyond the end.
struct Reader<'a> {
    rest: &'a [u8],
    /// Counts take eight bytes, not four.
    wide: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(len).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    /// Bytes with those that fill them up to a multiple of four.
    fn padded(&mut self, len: u64) -> Option<&'a [u8]> {
        let whole = self.take(len.checked_next_multiple_of(4)?)?;
        whole.get(..usize::try_from(len).ok()?)
    }

    fn number(&mut self, len: u64) -> Option<u64> {
        Some(self.take(len)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn count(&mut self) -> Option<u64> {
        self.number(if self.wide { 8 } else { 4 })
    }

    fn name(&mut self) -> Option<&'a [u8]> {
        let len = self.count()?;
        self.padded(len)
    }

    /// How many items a list has; an absent one has none.
    fn list(&mut self, tag: u64) -> Option<u64> {
        let (found, count) = (self.number(4)?, self.count()?);
        (found == tag || (found == 0 && count == 0)).then_some(count)
    }

    fn attributes(&mut self) -> Option<()> {
        const ATTRIBUTES: u64 = 12;
        for _ in 0..self.list(ATTRIBUTES)? {
            self.name()?;
            let item = bytes_of(self.number(4)?)?;
            let len = self.count()?.checked_mul(item)?;
            self.padded(len)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Version 1, two records, dimensions `t` (the records) and `x` of 5; `a(x)` of int16 at 1000, `b(t, x)` of int16 at 2000, `c(t)` of
    /// int8 at 2012.
    fn head() -> Vec<u8> {
        let number = |n: u32| n.to_be_bytes().to_vec();
        let variable = |name: &str, dims: &[u32], kind: u32, begin: u32| {
            let mut bytes =
                [number(1), name.bytes().chain([0; 3]).collect(), number(dims.len().try_into().unwrap())].concat();
            bytes.extend(dims.iter().flat_map(|d| number(*d)));
            bytes.extend([0, 0, kind, 0, begin].iter().flat_map(|n| number(*n)));
            bytes
        };
        let dimension = |name: &str, len: u32| [number(1), name.bytes().chain([0; 3]).collect(), number(len)].concat();
        [
            b"CDF\x01".to_vec(),
            number(2),
            [number(10), number(2), dimension("t", 0), dimension("x", 5)].concat(),
            // One attribute: `n` of three int8.
            [number(12), number(1), number(1), b"n\0\0\0".to_vec(), number(1), number(3), vec![1, 2, 3, 0]].concat(),
            [number(11), number(3)].concat(),
            variable("a", &[1], 3, 1000),
            variable("b", &[0, 1], 3, 2000),
            variable("c", &[0], 1, 2012),
        ]
        .concat()
    }

    fn end_in(bytes: &[u8], variable: Option<&str>) -> Option<u64> {
        end(&mut |_, len| bytes[..bytes.len().min(len)].to_vec(), variable)
    }

    #[test]
    fn ends_of_variables() {
        let head = head();
        assert_eq!(end_in(&head, Some("a")), Some(1010));
        // A record is 12 bytes of `b`, filled up from 10, and 4 of `c`.
        assert_eq!(end_in(&head, Some("b")), Some(2000 + 16 + 10));
        assert_eq!(end_in(&head, Some("c")), Some(2012 + 16 + 1));
        assert_eq!(end_in(&head, None), Some(2029));
        assert_eq!(end_in(&head, Some("other")), Some(2029));
    }

    proptest! {
        #[test]
        fn no_head_makes_it_panic(at in 0usize..200, byte: u8, len in 0usize..250) {
            let mut bytes = head();
            if let Some(b) = bytes.get_mut(at) {
                *b = byte;
            }
            bytes.truncate(len);
            let _ = end_in(&bytes, Some("b"));
        }
    }
}
