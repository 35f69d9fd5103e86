#include "span_fields.h"

#include "spanheap/platform.h"

#if PY_VERSION_HEX >= 0x030B0000

#include "internal/pycore_dict.h"

/* The values beside the instance; NULL when it has none. */
static PyObject *const *values_of(PyObject *object) {
#if PY_VERSION_HEX >= 0x030D0000
    if (!(Py_TYPE(object)->tp_flags & Py_TPFLAGS_INLINE_VALUES)) return NULL;
    const PyDictValues *values = (const PyDictValues *)((char *)object + sizeof(PyObject));
    return values->valid ? values->values : NULL;
#else
    if (!(Py_TYPE(object)->tp_flags & Py_TPFLAGS_MANAGED_DICT)) return NULL;
#if PY_VERSION_HEX >= 0x030C0000
    uintptr_t tagged = ((uintptr_t *)object)[-3];   /* a dict, or values less one */
    return tagged & 1 ? ((const PyDictValues *)(tagged + 1))->values : NULL;
#else
    const PyDictValues *values = ((PyDictValues **)object)[-4];
    return values ? values->values : NULL;
#endif
#endif
}

static int place_of(const PyDictKeysObject *keys, PyObject *name) {
    PyDictUnicodeEntry *entries = DK_UNICODE_ENTRIES(keys);
    for (Py_ssize_t i = 0; i < keys->dk_nentries && i <= UINT8_MAX; i++)
        if (entries[i].me_key == name) return (int)i;   /* attribute names are interned */
    return -1;
}

/* Not inline: once a class, or when classes take turns. */
static SH_COLD bool learn(sh_field_map *map, PyTypeObject *type, PyObject *const *names, int count) {
    const PyDictKeysObject *keys = (type->tp_flags & Py_TPFLAGS_HEAPTYPE) ? ((PyHeapTypeObject *)type)->ht_cached_keys : NULL;
    map->version = 0;
    if (type->tp_getattro != PyObject_GenericGetAttr || !keys || !DK_IS_UNICODE(keys) || count > SH_MAX_FIELDS) return false;
    for (int i = 0; i < count; i++) {
        int place = place_of(keys, names[i]);
        /* Anything of that name in a class might take precedence. The look-up also gives the type its version. */
        if (place < 0 || _PyType_Lookup(type, names[i])) return false;
        map->places[i] = (uint8_t)place;
    }
    map->type = type;
    map->version = type->tp_version_tag;
    map->count = (uint8_t)count;
    return map->version != 0;
}

SH_HOT bool sh_fields_read_with_gil(sh_field_map *map, PyObject *object, PyObject *const *names, int count, PyObject **values) {
    PyTypeObject *type = Py_TYPE(object);
    PyObject *const *from = values_of(object);
    if (!from) return false;
    if (map->type != type || !map->version || map->version != type->tp_version_tag || map->count != count)
        if (!learn(map, type, names, count)) return false;
    for (int i = 0; i < count; i++)
        if (!(values[i] = from[map->places[i]])) return false;
    return true;
}

#else

bool sh_fields_read_with_gil(sh_field_map *map, PyObject *object, PyObject *const *names, int count, PyObject **values) {
    (void)map, (void)object, (void)names, (void)count, (void)values;
    return false;   /* no values beside the instance */
}

#endif
