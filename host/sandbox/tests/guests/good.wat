;; Good: doubles the pixels of its one input, in place. Tests put other parts in their places.
(module
    {imports} {marker} {memory} {alloc} {describe} {process} {more})
