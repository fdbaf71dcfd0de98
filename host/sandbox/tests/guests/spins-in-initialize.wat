;; Attempts to run for ever where its runtime is to be set up.
(module
    {marker} {memory} {alloc} {describe}
    {process}
    (func $init (export "_initialize") (loop $for_ever (br $for_ever))))
