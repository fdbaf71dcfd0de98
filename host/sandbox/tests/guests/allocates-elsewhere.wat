;; Attempts to have the host write to a place that isn't its own, by an allocator that returns `pointer`.
(module
    {marker} {memory} {describe}
    (func (export "tilefn_alloc") (param i32 i32) (result i32) (i32.const {pointer}))
    {process})
