;; Attempts to run for ever when it's asked what it is.
(module
    {marker} {memory} {alloc}
    (func $d (export "describe:double") (result i64)
        (loop $for_ever (br $for_ever))
        (unreachable))
    {process})
