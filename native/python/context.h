/* The span that is current on a thread, read from its context without running Python code.
 *
 *      tstate->context -> HAMT -> OpenTelemetry's ContextVar -> Context (a dict) -> Span -> active-span table
 *
 * PyContextVar_Get is not an option inside an allocation: it refills the variable's cache while the interpreter is changing
 * the context, and leaves it wrong for good. HAMT nodes never change once built, so walking them is safe at any moment; keys are
 * compared by identity. How a node is laid out is checked against the public API before anything relies on it
 * (src/spanheap/spans/attribution.py): if it fails, the walk goes through the nodes' own tp_traverse, and if that fails too it is off. */
#ifndef SPANHEAP_CONTEXT_H
#define SPANHEAP_CONTEXT_H

#include "python_compat.h"
#include "spanheap/label_table.h"
#include "spanheap/span_table.h"

typedef enum { SH_CONTEXT_OFF, SH_CONTEXT_NODES, SH_CONTEXT_TRAVERSE } sh_context_mode;

/* The types of the tree's nodes: they are not exported from CPython 3.11 on, so they are learned from a tree made for it. */
void sh_context_set_types_with_gil(PyObject *hamt, PyObject *bitmap, PyObject *array, PyObject *collision);
/* The ContextVar that holds OpenTelemetry's Context, the key of the span in it, the type of spans that are not recorded,
 * and the span that stands for "none". Keeps references. -1 with an exception when a value is of the wrong kind. */
int sh_context_bind_with_gil(PyObject *var, PyObject *key, PyObject *non_recording_type, PyObject *invalid_span);
void sh_context_set_mode_with_gil(sh_context_mode mode);
sh_context_mode sh_context_get_mode(void);

/* The ContextVar that holds the current set of labels, the type of its values, and where in such a value the set's number stands
 * (a uint32_t). Keeps references. */
int sh_context_bind_labels_with_gil(PyObject *var, PyObject *type, size_t offset);

/* The slot of the current span in `spans`, or one of the pseudo spans. A span that is not in the table gets a provisional slot
 * and one reference more, which whoever settles the slot gives back. */
uint32_t sh_context_span_in_hook(PyThreadState *tstate, sh_span_table *spans);
/* What the main thread shall call, once, after the hook has met such a span (by Py_AddPendingCall); NULL: nothing. */
void sh_context_when_met_with_gil(int (*call)(void *));
/* The current span; a new reference, or NULL without an exception: there is none, or attribution is off. */
PyObject *sh_context_current_span_with_gil(void);
/* The current set of labels. */
uint32_t sh_context_labels_in_hook(PyThreadState *tstate);

/* For the self-test: what the walk finds for this variable in the current context; a new reference, or NULL without an exception. */
PyObject *sh_context_walk_with_gil(PyObject *var, sh_context_mode mode);
/* For the self-test: gives an unused ContextVar a hash, so that collisions can be had on purpose. */
int sh_context_force_hash_with_gil(PyObject *var, Py_hash_t hash);

#endif
