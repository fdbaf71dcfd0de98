;; Attempts to have the host read a state that begins in its memory's last byte and ends behind it.
(module
    {marker} {memory} {alloc} {describe}
    (func (export "process:count") (param i32) (result i32)
        (i32.store (i32.const 40) (i32.const 131071))
        (i32.store (i32.const 44) (i32.const 2))
        (i32.const 32))
    (func (export "merge:count") (param i32 i32 i32 i32) (result i32) (unreachable))
    (func (export "finish:count") (param i32 i32) (result i32) (unreachable)))
