;; Attempts to return a result of `length` bytes: a 1, and spaces.
(module
    {marker} {alloc} {describe}
    (memory (export "memory") 70)
    (func (export "process:count") (param i32) (result i32) (unreachable))
    (func (export "merge:count") (param i32 i32 i32 i32) (result i32) (unreachable))
    (func (export "finish:count") (param $state i32) (param $len i32) (result i32)
        (memory.fill (i32.const 131072) (i32.const 32) (i32.const 4194305))
        (i32.store8 (i32.const 131072) (i32.const 49))
        (i32.store (i32.const 40) (i32.const 131072))
        (i32.store (i32.const 44) (i32.const {length}))
        (i32.const 32)))
