/* Reading several attributes of an instance at once, as fast as the interpreter's own specialised instruction does.
 *
 * An attribute read by name costs 10 ns, most of it for finding out twice that nothing in the class is in its way. What the
 * interpreter does where code reads the same attribute again and again (LOAD_ATTR_INSTANCE_VALUE) is done here for a whole
 * list: while the class and its bases are as they were (the version of the type says so), an attribute is at its place
 * among the values that lie beside the instance.
 *
 * A class that defines __getattribute__, has a property of that name, or keeps its instances' attributes in another way (3.10:
 * every class) is not read here, nor an instance whose __dict__ was asked for in a version that moves the values then. */
#ifndef SPANHEAP_SPAN_FIELDS_H
#define SPANHEAP_SPAN_FIELDS_H

#include <stdbool.h>

#include "python_compat.h"

enum { SH_MAX_FIELDS = 6 };

typedef struct {
    PyTypeObject *type;   /* compared only, and never without the version, of which no two types have the same */
    unsigned int version;
    uint8_t places[SH_MAX_FIELDS];
    uint8_t count;
} sh_field_map;

/* Fills values[0..count) with borrowed references. False: read them one by one by name; no exception is set. Runs no Python. */
bool sh_fields_read_with_gil(sh_field_map *map, PyObject *object, PyObject *const *names, int count, PyObject **values);

#endif
