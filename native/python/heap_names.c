#include "heap_names.h"

#include "internal/pycore_object.h"
#if PY_VERSION_HEX >= 0x030B0000
#include "internal/pycore_dict.h"
#endif

PyObject *sh_key_of(PyObject *dict, PyObject *value) {
    PyObject *key, *found;
    Py_ssize_t position = 0;
    while (PyDict_Next(dict, &position, &key, &found))
        if (found == value) return key;
    return NULL;
}

static bool is_text(PyObject *key, const char *text) {
    return PyUnicode_Check(key) && PyUnicode_IS_READY(key) && PyUnicode_IS_ASCII(key)
        && (size_t)PyUnicode_GET_LENGTH(key) == strlen(text) && memcmp(PyUnicode_DATA(key), text, strlen(text)) == 0;
}

PyObject *sh_value_of(PyObject *dict, const char *key) {
    PyObject *k, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(dict, &position, &k, &value))
        if (is_text(k, key)) return value;
    return NULL;
}

/* ------------------------------------------------------------------ instance attributes */

#if PY_VERSION_HEX < 0x030B0000

static PyObject *dict_or_values(PyObject *o, PyObject ***values) {
    PyObject **dict = _PyObject_GetDictPtr(o);
    *values = NULL;
    return dict ? *dict : NULL;
}

const void *sh_values_block(const void *values) { return values; }
const void *sh_separate_values(PyObject *o) { return NULL; }

#else

/* From 3.11 on an instance keeps its attributes as a row of values beside its class's shared keys, until somebody asks for its
 * __dict__; _PyObject_GetDictPtr would make that dict. */
static PyObject *dict_or_values(PyObject *o, PyObject ***values) {
    *values = NULL;
    PyTypeObject *type = Py_TYPE(o);
    if (!(type->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
        if (!type->tp_dictoffset) return NULL;
        PyObject **dict = _PyObject_GetDictPtr(o);
        return dict ? *dict : NULL;
    }
#if PY_VERSION_HEX < 0x030C0000
    PyDictValues *row = *_PyObject_ValuesPointer(o);
    if (row) *values = row->values;
    return row ? NULL : *_PyObject_ManagedDictPointer(o);
#elif PY_VERSION_HEX < 0x030D0000
    PyDictOrValues either = *_PyObject_DictOrValuesPointer(o);
    if (!_PyDictOrValues_IsValues(either)) return _PyDictOrValues_GetDict(either);
    PyDictValues *row = _PyDictOrValues_GetValues(either);
    if (row) *values = row->values;
    return NULL;
#else
    if ((type->tp_flags & Py_TPFLAGS_INLINE_VALUES) && _PyObject_InlineValues(o)->valid)
        *values = _PyObject_InlineValues(o)->values;   /* also when there is a dict: it shares them */
    return (PyObject *)_PyObject_GetManagedDict(o);
#endif
}

const void *sh_values_block(const void *values) {
#if PY_VERSION_HEX < 0x030D0000
    return (const uint8_t *)values - ((const uint8_t *)values)[-1];   /* the order of insertion stands in front */
#else
    return ((const PyDictValues *)values)->embedded ? NULL : values;
#endif
}

const void *sh_separate_values(PyObject *o) {
#if PY_VERSION_HEX < 0x030D0000
    if (!(Py_TYPE(o)->tp_flags & Py_TPFLAGS_MANAGED_DICT)) return NULL;
    PyObject **values;
    dict_or_values(o, &values);
    return values ? sh_values_block(values) : NULL;
#else
    return NULL;
#endif
}

static PyObject *shared_key(PyObject *o, Py_ssize_t i) {
    PyDictKeysObject *keys = ((PyHeapTypeObject *)Py_TYPE(o))->ht_cached_keys;
    return keys && i < keys->dk_nentries ? DK_UNICODE_ENTRIES(keys)[i].me_key : NULL;
}

#endif

PyObject *sh_instance_dict(PyObject *o) {
    PyObject **values;
    PyObject *dict = dict_or_values(o, &values);
    return dict && PyDict_Check(dict) ? dict : NULL;
}

PyObject *sh_attribute_of(PyObject *o, PyObject *value) {
    PyObject **values;
    PyObject *dict = dict_or_values(o, &values);
    if (dict && PyDict_Check(dict)) return sh_key_of(dict, value);
#if PY_VERSION_HEX >= 0x030B0000
    PyObject *key;
    for (Py_ssize_t i = 0; values && (key = shared_key(o, i)) != NULL; i++)
        if (values[i] == value) return key;
#endif
    return NULL;
}

PyObject *sh_attribute(PyObject *o, const char *name) {
    PyObject **values;
    PyObject *dict = dict_or_values(o, &values);
    if (dict && PyDict_Check(dict)) return sh_value_of(dict, name);
#if PY_VERSION_HEX >= 0x030B0000
    PyObject *key;
    for (Py_ssize_t i = 0; values && (key = shared_key(o, i)) != NULL; i++)
        if (is_text(key, name)) return values[i];
#endif
    return NULL;
}

/* ------------------------------------------------------------------ threading.local */

#if PY_VERSION_HEX >= 0x030D0000

uint64_t sh_thread_of_local(PyObject *by_thread, PyObject *values) {
    PyObject *key = sh_key_of(by_thread, values);
    for (PyThreadState *t = PyInterpreterState_ThreadHead(PyThreadState_Get()->interp); key && t; t = PyThreadState_Next(t))
        if (t->threading_local_key == key) return t->thread_id;
    return 0;
}

#else

/* A thread's dict holds a dummy for each threading.local, which points to the values, behind its head, without owning them. */
uint64_t sh_thread_of_local(PyObject *by_thread, PyObject *values) {
    for (PyThreadState *t = PyInterpreterState_ThreadHead(PyThreadState_Get()->interp); t; t = PyThreadState_Next(t)) {
        PyObject *key, *dummy;
        Py_ssize_t position = 0;
        while (t->dict && PyDict_Check(t->dict) && PyDict_Next(t->dict, &position, &key, &dummy))
            if (strcmp(Py_TYPE(dummy)->tp_name, "_thread._localdummy") == 0
                && Py_TYPE(dummy)->tp_basicsize >= (Py_ssize_t)(sizeof(PyObject) + sizeof(PyObject *))
                && *(PyObject **)(dummy + 1) == values)
                return t->thread_id;
    }
    return 0;
}

#endif
