;; Attempts to have the host read a description from a place that isn't its own: `packed`, pointer and length.
(module
    {marker} {memory} {alloc}
    (func (export "describe:double") (result i64) (i64.const {packed}))
    {process})
