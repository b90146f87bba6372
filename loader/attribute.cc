#include "loader/attribute.h"

#include <sstream>

namespace quadlane {
namespace {

using onnx::AttributeProto;

std::string kind_name(int type) {
  constexpr const char* kNames[] = {"nothing", "a float",         "an integer",     "a string", "a tensor",
                                    "a graph", "floats",          "integers",       "strings",  "tensors",
                                    "graphs",  "a sparse tensor", "sparse tensors", "a type",   "types"};
  if (type < 0 || type >= static_cast<int>(std::size(kNames))) return cat("kind ", type);
  return kNames[type];
}

// The kind of the field that is filled; UNDEFINED when none is, or more than one.
int filled_kind(const AttributeProto& a) {
  int kind = AttributeProto::UNDEFINED, filled = 0;
  auto see = [&](bool present, int which) {
    if (!present) return;
    kind = which;
    ++filled;
  };
  see(a.has_f(), AttributeProto::FLOAT);
  see(a.has_i(), AttributeProto::INT);
  see(a.has_s(), AttributeProto::STRING);
  see(a.has_t(), AttributeProto::TENSOR);
  see(a.has_g(), AttributeProto::GRAPH);
  see(a.has_sparse_tensor(), AttributeProto::SPARSE_TENSOR);
  see(a.floats_size() > 0, AttributeProto::FLOATS);
  see(a.ints_size() > 0, AttributeProto::INTS);
  see(a.strings_size() > 0, AttributeProto::STRINGS);
  see(a.tensors_size() > 0, AttributeProto::TENSORS);
  see(a.graphs_size() > 0, AttributeProto::GRAPHS);
  return filled == 1 ? kind : static_cast<int>(AttributeProto::UNDEFINED);
}

// The graph has no lists of strings: names with spaces between are one.
std::string joined(const AttributeProto& a) {
  std::string names;
  for (const std::string& name : a.strings()) names += (names.empty() ? "" : " ") + name;
  return names;
}

void put_names(const std::string& names, AttributeProto* out) {
  out->set_type(AttributeProto::STRINGS);
  std::istringstream stream(names);
  for (std::string name; stream >> name;) out->add_strings(name);
}

}  // namespace

Result<Attr> attr_from_proto(const AttributeProto& a, const TensorReadOptions& options) {
  if (a.has_ref_attr_name() && !a.ref_attr_name().empty())
    return invalid_model("refers to function attribute '", a.ref_attr_name(), "' outside a function");
  int filled = filled_kind(a);
  // Files of IR version 1 declare no kind. An empty list or a zero that was left out fills no field.
  int kind = a.type() == AttributeProto::UNDEFINED ? filled : static_cast<int>(a.type());
  if (filled != AttributeProto::UNDEFINED && filled != kind)
    return invalid_model("is declared as ", kind_name(kind), " and holds ", kind_name(filled));
  switch (kind) {
    case AttributeProto::FLOAT: return Attr(a.f());
    case AttributeProto::INT: return Attr(static_cast<int64_t>(a.i()));
    case AttributeProto::STRING: return Attr(a.s());
    case AttributeProto::STRINGS: return Attr(joined(a));
    case AttributeProto::INTS: return Attr(std::vector<int64_t>(a.ints().begin(), a.ints().end()));
    case AttributeProto::FLOATS: return Attr(std::vector<float>(a.floats().begin(), a.floats().end()));
    case AttributeProto::TENSOR: {
      QL_TRY(Tensor tensor, tensor_from_proto(a.t(), options));
      return Attr(std::move(tensor));
    }
    case AttributeProto::GRAPH: return unsupported("is a subgraph, only If, Loop and Scan take one");
    case AttributeProto::UNDEFINED: return invalid_model("holds no value, or several");
    default: return unsupported("is ", kind_name(kind), ", which is not supported");
  }
}

void attr_to_proto(const std::string& name, const Attr& attr, AttributeProto* out) {
  out->set_name(name);
  if (auto* i = std::get_if<int64_t>(&attr)) {
    out->set_type(AttributeProto::INT);
    out->set_i(*i);
  } else if (auto* f = std::get_if<float>(&attr)) {
    out->set_type(AttributeProto::FLOAT);
    out->set_f(*f);
  } else if (auto* s = std::get_if<std::string>(&attr)) {
    if (name == "activations") return put_names(*s, out);  // the only list of names
    out->set_type(AttributeProto::STRING);
    out->set_s(*s);
  } else if (auto* ints = std::get_if<std::vector<int64_t>>(&attr)) {
    out->set_type(AttributeProto::INTS);
    out->mutable_ints()->Assign(ints->begin(), ints->end());
  } else if (auto* floats = std::get_if<std::vector<float>>(&attr)) {
    out->set_type(AttributeProto::FLOATS);
    out->mutable_floats()->Assign(floats->begin(), floats->end());
  } else if (auto* tensor = std::get_if<Tensor>(&attr)) {
    out->set_type(AttributeProto::TENSOR);
    tensor_to_proto(*tensor, {}, out->mutable_t());
  }
}

}  // namespace quadlane
