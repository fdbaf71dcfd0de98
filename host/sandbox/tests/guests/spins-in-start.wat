;; Attempts to run for ever in its start function, before anything is called.
(module
    {marker} {memory} {alloc} {describe}
    {process}
    (func $start (loop $for_ever (br $for_ever)))
    (start $start))
