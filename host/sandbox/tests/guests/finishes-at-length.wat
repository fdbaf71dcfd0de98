;; Attempts to return a result of `length` bytes: a 1, and spaces; or a text of spaces, if `first` is a quotation mark's byte.
(module
    {marker} {alloc} {describe}
    (memory (export "memory") 70)
    (func (export "process:count") (param i32) (result i32) (unreachable))
    (func (export "merge:count") (param i32 i32 i32 i32) (result i32) (unreachable))
    (func (export "finish:count") (param $state i32) (param $len i32) (result i32)
        (memory.fill (i32.const 131072) (i32.const 32) (i32.const {length}))
        (i32.store8 (i32.const 131072) (i32.const {first}))
        (if (i32.eq (i32.const {first}) (i32.const 34))
            (then (i32.store8 (i32.add (i32.const 131071) (i32.const {length})) (i32.const 34))))
        (i32.store (i32.const 40) (i32.const 131072))
        (i32.store (i32.const 44) (i32.const {length}))
        (i32.const 32)))
