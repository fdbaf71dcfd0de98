//! The package `tilefn` for Python, as the snapshot has it.

/// Each module's name and source.
pub(super) const SOURCES: &[(&str, &str)] = &[
    ("tilefn", include_str!("../../../../guest-sdk/python/tilefn/__init__.py")),
    ("tilefn._call", include_str!("../../../../guest-sdk/python/tilefn/_call.py")),
    ("tilefn._context", include_str!("../../../../guest-sdk/python/tilefn/_context.py")),
    ("tilefn._errors", include_str!("../../../../guest-sdk/python/tilefn/_errors.py")),
    ("tilefn._function", include_str!("../../../../guest-sdk/python/tilefn/_function.py")),
    ("tilefn._numba", include_str!("../../../../guest-sdk/python/tilefn/_numba.py")),
    ("tilefn._program", include_str!("../../../../guest-sdk/python/tilefn/_program.py")),
    ("tilefn._reduce", include_str!("../../../../guest-sdk/python/tilefn/_reduce.py")),
    ("tilefn._result", include_str!("../../../../guest-sdk/python/tilefn/_result.py")),
    ("tilefn._shim", include_str!("../../../../guest-sdk/python/tilefn/_shim.py")),
    ("tilefn._signature", include_str!("../../../../guest-sdk/python/tilefn/_signature.py")),
    ("tilefn._source", include_str!("../../../../guest-sdk/python/tilefn/_source.py")),
    ("tilefn._wide", include_str!("../../../../guest-sdk/python/tilefn/_wide.py")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_module_is_forgotten() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk/python/tilefn");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter_map(|name| Some(name.strip_suffix(".py")?.to_owned())).collect();
        names.sort();
        let listed: Vec<_> =
            SOURCES.iter().map(|(name, _)| name.strip_prefix("tilefn.").unwrap_or("__init__")).collect();
        assert_eq!(names, listed);
    }
}
