# Part of _core: labels.

# 64 B of value each: 0.4 MiB when all are in use. Past it a tenant more is "<other>", which is counted.
cdef enum: LABEL_CAPACITY = 4096

cdef sh_label_table *the_labels = &sh_the_hook.labels


cdef bytes utf8(str s, size_t limit):
    """At most so many bytes, cut between characters."""
    cdef bytes encoded = s.encode("utf-8", "backslashreplace")
    cdef size_t length = limit
    if <size_t>len(encoded) <= limit:
        return encoded
    while length and (<unsigned char>encoded[length] & 0xC0) == 0x80:
        length -= 1
    return encoded[:length]


cdef class LabelSet:
    """The labels in force in some scope: those of the scope outside with these pairs over them."""

    cdef uint32_t set
    cdef readonly object outer, owner
    cdef readonly dict pairs

    def __cinit__(self, outer, owner, dict pairs):
        cdef uint32_t added
        cdef int key
        cdef bytes name, value
        if the_labels.labels == NULL and not sh_label_table_init(the_labels, LABEL_CAPACITY):
            raise MemoryError("no memory for the labels")
        self.outer = outer
        self.owner = owner
        self.pairs = pairs if outer is None else {**(<LabelSet?>outer).pairs, **pairs}
        for k, v in sorted(self.pairs.items()):   # one order, so that equal sets are one set
            name, value = k.encode(), utf8(v, SH_LABEL_VALUE_BYTES)
            key = sh_label_table_key(the_labels, name, len(name))
            if key < 0:
                continue
            added = sh_label_table_add(the_labels, self.set, <uint32_t>key, value, len(value))
            sh_label_table_release(the_labels, self.set)
            self.set = added

    def __dealloc__(self):
        sh_label_table_release(the_labels, self.set)


MAX_LABEL_KEY_BYTES = SH_LABEL_KEY_BYTES


def bind_labels(var):
    """Tell the hook which ContextVar holds the LabelSet in force."""
    cdef LabelSet probe = LabelSet(None, None, {})
    sh_context_bind_labels_with_gil(var, LabelSet, <size_t>(<char *>&probe.set - <char *><void *>probe))
