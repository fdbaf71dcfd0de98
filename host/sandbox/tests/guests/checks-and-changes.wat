;; Attempts to find what the tile before left: `check` traps if it finds something that `change` did; `more` defines it.
(module
    {marker} {memory} {alloc} {describe}
    {double}
    (func (export "process:double") (param $call i32) (result i32)
        (local $result i32)
        {check}
        (local.set $result (call $double (local.get $call)))
        {change}
        (local.get $result))
    {more})
