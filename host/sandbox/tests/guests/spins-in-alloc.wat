;; Attempts to run for ever in its allocator.
(module
    {marker} {memory} {describe}
    (func $my_alloc (export "tilefn_alloc") (param i32 i32) (result i32)
        (loop $for_ever (br $for_ever))
        (unreachable))
    {process})
