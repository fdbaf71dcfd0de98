;; Attempts `instructions` where states are merged, and where the last one becomes the result.
(module
    {marker} {memory} {alloc} {describe}
    (func (export "process:count") (param i32) (result i32) (unreachable))
    (func $merge (export "merge:count") (param i32 i32 i32 i32) (result i32)
        {instructions})
    (func $finish (export "finish:count") (param i32 i32) (result i32)
        {instructions}))
