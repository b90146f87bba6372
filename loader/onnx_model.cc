#include "loader/onnx_model.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "engine/base/file.h"
#include "loader/external_data.h"
#include "loader/guard.h"
#include "loader/importer.h"
#include "loader/node_order.h"

namespace quadlane {

struct OnnxModel::File {
  std::shared_ptr<const onnx::ModelProto> proto;
  std::string directory;  // of external data
  std::string label;      // "'unet.onnx'", or ""
  std::vector<InputSpec> inputs;
};

namespace {

// Names from the file may hold anything; a message stays one line.
Error one_line(Error error) {
  auto clean = [](std::string& text) {
    for (char& c : text)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  };
  clean(error.message);
  for (std::string& where : error.trail) clean(where);
  return error;
}

Result<std::shared_ptr<const onnx::ModelProto>> parse(std::span<const std::byte> bytes, const LoadOptions& options) {
  if (bytes.size() > options.max_file_bytes)
    return unsupported("the model has ", bytes.size(), " bytes, the limit is ", options.max_file_bytes);
  auto held = std::make_shared<OnArena<onnx::ModelProto>>();
  onnx::ModelProto* const model = held->message;
  if (bytes.empty() || !parse_proto(bytes, model, options.max_message_depth))
    return invalid_model("not an ONNX model, or truncated (", bytes.size(), " bytes)");
  if (!model->has_graph() || !model->has_ir_version())
    return invalid_model("not an ONNX model: it has no ", model->has_graph() ? "IR version" : "graph");
  return std::shared_ptr<const onnx::ModelProto>(std::move(held), model);
}

void add_location(const onnx::TensorProto& tensor, std::set<std::string>& names) {
  if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return;
  std::string location;
  for (const auto& entry : tensor.external_data())
    if (entry.key() == "location") location = entry.value();  // the last one counts, as where it is read
  names.insert(location);
}

// Where the tensors lie that are attributes of nodes, and those of the subgraphs in them.
void add_locations(const NodeList& nodes, std::set<std::string>& names) {
  for (const auto& node : nodes)
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_t()) add_location(attribute.t(), names);
      if (!attribute.has_g()) continue;
      for (const auto& tensor : attribute.g().initializer()) add_location(tensor, names);
      add_locations(attribute.g().node(), names);
    }
}

}  // namespace

Result<OnnxModel> OnnxModel::from_bytes(std::span<const std::byte> bytes, const LoadOptions& options,
                                        const std::string& directory) {
  return guarded([&]() -> Result<OnnxModel> {
    File file;
    QL_TRY(file.proto, parse(bytes, options));
    file.directory = directory;
    auto inputs = declared_inputs(file.proto->graph(), options.widen_half);
    if (!inputs.ok()) return one_line(std::move(inputs).error());
    file.inputs = *std::move(inputs);
    return OnnxModel(std::make_shared<const File>(std::move(file)));
  });
}

Result<OnnxModel> OnnxModel::read(const std::string& path, const LoadOptions& options) {
  return guarded([&]() -> Result<OnnxModel> {
    QL_TRY(auto bytes, read_whole_file(path, options.max_file_bytes));
    std::string directory = std::filesystem::path(path).parent_path().string();
    const std::string label = cat("'", path, "'");
    auto model = from_bytes(bytes, options, directory.empty() ? "." : directory).context(label);
    if (!model.ok()) return model;
    auto named = std::make_shared<File>(*model->file_);
    named->label = label;
    return OnnxModel(std::move(named));
  });
}

const std::vector<InputSpec>& OnnxModel::inputs() const { return file_->inputs; }

std::string OnnxModel::metadata(const std::string& key) const {
  for (const auto& entry : file_->proto->metadata_props())
    if (entry.key() == key) return entry.value();
  return {};
}

std::vector<std::string> OnnxModel::external_files() const {
  std::set<std::string> names;
  const onnx::GraphProto& graph = file_->proto->graph();
  std::set<std::string> read;
  for (const auto& node : graph.node()) read.merge(names_read(node));
  for (const auto& output : graph.output()) read.insert(output.name());
  for (const auto& tensor : graph.initializer())
    if (read.count(tensor.name())) add_location(tensor, names);
  add_locations(graph.node(), names);
  for (const auto& function : file_->proto->functions()) add_locations(function.node(), names);
  return {names.begin(), names.end()};
}

Result<std::string> OnnxModel::read_external_file(const std::string& name, size_t max_bytes) const {
  auto bytes = guarded([&] { return quadlane::read_external_file(file_->directory, name, max_bytes); });
  if (!bytes.ok()) return one_line(std::move(bytes).error());
  return bytes;
}

bool OnnxModel::is_open() const {
  return std::any_of(inputs().begin(), inputs().end(), [](const InputSpec& input) { return input.is_open(); });
}

std::vector<std::string> OnnxModel::contradictions(const Graph& graph) const {
  std::vector<std::string> all;
  for (const auto& output : file_->proto->graph().output())
    for (ValueId value : graph.outputs()) {
      const std::string& name = graph[value].name;
      const TensorType& type = graph[value].type;
      if (name != output.name() || !output.type().tensor_type().has_shape()) continue;
      Shape declared;  // what is open is as computed
      for (const auto& dim : output.type().tensor_type().shape().dim()) {
        const int64_t extent = declared.size() < type.shape.size() ? type.shape[declared.size()] : 1;
        declared.push_back(dim.has_dim_value() ? dim.dim_value() : extent);
      }
      if (declared != type.shape)
        all.push_back(cat("output '", name, "' is ", to_string(type), ", the file declares ", to_string(declared)));
    }
  for (std::string& text : all) text = one_line({Code{}, std::move(text), {}}).message;
  return all;
}

Result<Graph> OnnxModel::bind(const OpTable& ops, const LoadOptions& options) const {
  return guarded([&]() -> Result<Graph> {
    auto graph = import_model(*file_->proto, file_->inputs, ops, options, file_->directory);
    if (graph.ok()) return graph;
    Result<Graph> failed = one_line(std::move(graph).error());
    if (!file_->label.empty()) return std::move(failed).context(file_->label);
    return failed;
  });
}

}  // namespace quadlane
