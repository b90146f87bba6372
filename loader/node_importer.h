// NodeProto -> graph nodes and constants, the same for the main graph, branches, loop bodies and functions; while
// loading, and while the tail runs. Internal to loader/: sees protobuf.
#pragma once

#include "loader/node_order.h"
#include "loader/tensor_proto.h"
#include "loader/versions.h"

namespace quadlane {

// Versions of operator sets by domain; the standard one is "".
using Opsets = std::map<std::string, int64_t>;
// Both names of the standard domain are one; its version lies in [kOldestOpset, kNewestOpset] or `what` is refused.
// `inherited`: of the model, where a function does not say.
Result<Opsets> read_opsets(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>&, const char* what,
                           Opsets inherited = {});

class NodeImporter {
 public:
  // `model` gives the functions. options.max_nodes counts what is imported, every round of a loop anew.
  NodeImporter(const onnx::ModelProto& model, Opsets opsets, Emitter& emit, TensorReadOptions& tensors,
               const LoadOptions& options);

  // Imports one node into the emitter's current scope. Code::needs_value: it depends on data, or on what the tail
  // computes.
  Status add(const NodeList&, int index);
  // Names nodes of the main graph have, so that made-up names stay clear of them.
  void reserve_node_name(const std::string& name) { node_names_.insert(name); }

 private:
  using Bindings = std::vector<Binding>;
  using Handler = Status (NodeImporter::*)(const onnx::NodeProto&, const std::string& node_name);
  static Handler special(const std::string& op);

  Result<const OpHistory*> history_of(const onnx::NodeProto&) const;
  Result<Draft> draft_of(const onnx::NodeProto&, const std::string& node_name, const OpHistory&);
  // `lasting`: the attribute lives as long as the importer.
  Result<Attr> attribute_value(const onnx::AttributeProto&, bool lasting);
  // The attribute with references to those of the calling function resolved; null: absent.
  Result<const onnx::AttributeProto*> find_attribute(const onnx::NodeProto&, const std::string& name) const;
  const onnx::AttributeProto* resolve(const onnx::AttributeProto&) const;
  Result<int64_t> int_attribute(const onnx::NodeProto&, const std::string& name, int64_t otherwise) const;
  Result<std::vector<int64_t>> ints_attribute(const onnx::NodeProto&, const std::string& name,
                                              std::vector<int64_t> otherwise) const;
  std::string node_name(const onnx::NodeProto&, int index);
  Status spend(size_t nodes);

  // Inputs by position: absent ones and those beyond the last are bindings without a value.
  Result<Bindings> inputs_of(const onnx::NodeProto&) const;
  Result<ValueId> tensor_input(const Bindings&, size_t i) const;
  Result<const Tensor*> known_input(const Bindings&, size_t i, const char* what) const;
  Result<int64_t> known_int(const Bindings&, size_t i, const char* what) const;
  // Gives the node's outputs their names in the current scope.
  Status bind_outputs(const onnx::NodeProto&, Bindings);
  Result<ValueId> emit(const std::string& op, std::vector<ValueId> inputs, Attrs attrs, const std::string& hint);
  ValueId ints(const std::string& hint, std::vector<int64_t> values) { return emit_.add_ints(hint, values); }

  // subgraph.cc: If, Loop, Scan, calls of functions
  Status add_if(const onnx::NodeProto&, const std::string& name);
  Status add_loop(const onnx::NodeProto&, const std::string& name);
  Status add_scan(const onnx::NodeProto&, const std::string& name);
  Status add_call(const onnx::NodeProto&, const onnx::FunctionProto&, const std::string& name);
  const onnx::FunctionProto* find_function(const onnx::NodeProto&) const;
  Result<const onnx::GraphProto*> subgraph(const onnx::NodeProto&, const std::string& attribute) const;
  // The outputs of a subgraph whose inputs are `inputs`.
  Result<Bindings> run_body(const onnx::GraphProto&, Bindings inputs, std::string prefix);
  Result<Bindings> run_nodes(const NodeList&, const std::vector<std::string>& wanted, Scope&);
  // What every run of a subgraph or function has in common, found once: a loop's round costs what it imports, and
  // pays for it.
  struct Body {
    std::vector<int> order;      // of the nodes it needs
    std::set<std::string> used;  // names that those and its outputs read
    size_t price = 0;            // of a run, in nodes
  };
  Result<const Body*> body_of(const NodeList&, const std::vector<std::string>& wanted, const Scope&);
  // Tensors of all rounds along a new axis; `declared` tells the type when there was no round.
  Result<Binding> stack(const std::vector<ValueId>& rounds, int64_t axis, bool reversed,
                        const onnx::ValueInfoProto& declared, const std::string& hint);

  // sequence.cc
  Status add_sequence_construct(const onnx::NodeProto&, const std::string& name);
  Status add_sequence_empty(const onnx::NodeProto&, const std::string& name);
  Status add_sequence_at(const onnx::NodeProto&, const std::string& name);
  Status add_sequence_length(const onnx::NodeProto&, const std::string& name);
  Status add_sequence_insert(const onnx::NodeProto&, const std::string& name);
  Status add_sequence_erase(const onnx::NodeProto&, const std::string& name);
  Status add_split_to_sequence(const onnx::NodeProto&, const std::string& name);
  Status add_concat_from_sequence(const onnx::NodeProto&, const std::string& name);

  std::map<std::string, const onnx::FunctionProto*> functions_;
  Opsets opsets_;  // of the graph or function whose nodes are being imported
  Emitter& emit_;
  TensorReadOptions& tensors_;
  const LoadOptions& options_;
  size_t nodes_left_;
  int depth_ = 0;                                      // of scopes
  int64_t scopes_ = 0;                                 // made so far: tells their prefixes apart
  std::map<std::string, onnx::AttributeProto> frame_;  // attributes of the function call we are in
  std::map<const void*, Tensor> inner_tensors_;        // of subgraphs: read once, however often they run
  std::map<const NodeList*, Body> bodies_;
  std::set<std::string> node_names_;   // in the file, or made up
  std::set<std::string> given_names_;  // of the file's, those some node has already
  std::map<std::string, int> next_suffix_;
};

}  // namespace quadlane
