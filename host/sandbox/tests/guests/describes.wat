;; Describes itself as the test says, in words that may be wrong.
(module
    {marker} {memory} {alloc} {describe}
    (func (export "process:{name}") (param i32) (result i32) (i32.const 0)))
