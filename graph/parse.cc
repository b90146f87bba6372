#include <set>

#include "graph/folding.h"
#include "graph/text.h"
#include "graph/text_tensor.h"

namespace quadlane {
namespace {

class Parser {
 public:
  Parser(const OpTable& ops, const ParseOptions& options) : ops_(ops), bytes_left_(options.max_constant_bytes) {}

  Status line(std::string_view text) {
    TextCursor cursor(text);
    if (cursor.at_end()) return {};
    QL_CHECK_OK(statement(cursor));
    if (!cursor.at_end()) return cursor.error("the end of the line");
    return {};
  }

  Graph finish() {
    graph_.set_outputs(std::move(outputs_));
    return std::move(graph_);
  }

 private:
  struct Output {
    std::string name;
    std::optional<TensorType> type;
  };

  Status statement(TextCursor& cursor) {
    if (cursor.peek('%')) return node(cursor);
    if (cursor.eat_word("graph")) {
      QL_TRY(graph_.name, cursor.name());
      return {};
    }
    if (cursor.eat_word("input")) {
      QL_TRY(Output input, definition(cursor));
      if (!input.type) return cursor.error("':' and a type");
      values_[input.name] = graph_.add_input(input.name, *input.type);
      return {};
    }
    if (cursor.eat_word("const")) return constant(cursor);
    if (cursor.eat_word("output")) {
      do {
        QL_TRY(ValueId id, reference(cursor));
        outputs_.push_back(id);
      } while (cursor.eat(','));
      return {};
    }
    return cursor.error("graph, input, const, output or %");
  }

  // A new value, its type optional.
  Result<Output> definition(TextCursor& cursor) {
    Output output;
    QL_TRY(output.name, cursor.value_name());
    if (output.name.empty()) return invalid_argument("a value has an empty name");
    if (values_.count(output.name)) return invalid_argument("value '", output.name, "' is defined twice");
    if (cursor.eat(':')) {
      QL_TRY(output.type, cursor.type());
    }
    return output;
  }

  Result<ValueId> reference(TextCursor& cursor) {
    QL_TRY(std::string name, cursor.value_name());
    auto it = values_.find(name);
    if (it == values_.end()) return invalid_argument("value '", name, "' is not defined above");
    return it->second;
  }

  Status constant(TextCursor& cursor) {
    QL_TRY(Output output, definition(cursor));
    if (!output.type) return cursor.error("':' and a type");
    QL_CHECK_OK(cursor.expect('='));
    QL_TRY(Tensor tensor,
           parse_elements(cursor, *output.type, bytes_left_).context(cat("constant '", output.name, "'")));
    values_[output.name] = graph_.add_constant(output.name, std::move(tensor));
    return {};
  }

  Status node(TextCursor& cursor) {
    std::vector<Output> outputs;
    std::set<std::string> names;
    do {
      QL_TRY(Output output, definition(cursor));
      if (!names.insert(output.name).second) return invalid_argument("value '", output.name, "' is defined twice");
      outputs.push_back(std::move(output));
    } while (cursor.eat(','));
    QL_CHECK_OK(cursor.expect('='));
    Node node;
    QL_TRY(node.op, cursor.word());
    node.name = outputs[0].name;
    QL_CHECK_OK(inputs(cursor, node));
    while (!cursor.at_end()) QL_CHECK_OK(attribute(cursor, node));
    return add(std::move(node), outputs);
  }

  Status inputs(TextCursor& cursor, Node& node) {
    QL_CHECK_OK(cursor.expect('('));
    if (cursor.eat(')')) return {};
    do {
      if (cursor.eat_word("_")) {
        node.inputs.push_back(kNoValue);
        continue;
      }
      QL_TRY(ValueId id, reference(cursor));
      node.inputs.push_back(id);
    } while (cursor.eat(','));
    return cursor.expect(')');
  }

  Status attribute(TextCursor& cursor, Node& node) {
    bool is_quoted = cursor.peek('"');
    QL_TRY(std::string name, cursor.name());
    QL_CHECK_OK(cursor.expect('='));
    if (name == "name" && !is_quoted) {
      QL_TRY(node.name, cursor.quoted());
      return {};
    }
    if (node.attrs.has(name)) return invalid_argument("attribute '", name, "' is given twice");
    QL_TRY(Attr value, attribute_value(cursor).context(cat("attribute '", name, "'")));
    node.attrs.set(std::move(name), std::move(value));
    return {};
  }

  static bool is_int(std::string_view text) { return text.find_first_not_of("+-0123456789") == text.npos; }

  Result<Attr> attribute_value(TextCursor& cursor) {
    if (cursor.peek('"')) {
      QL_TRY(std::string text, cursor.quoted());
      return Attr(std::move(text));
    }
    if (cursor.peek('[')) return list(cursor);
    if (cursor.eat_word("floats")) {
      QL_CHECK_OK(cursor.expect('['));
      QL_CHECK_OK(cursor.expect(']'));
      return Attr(std::vector<float>());
    }
    TextCursor saved = cursor;
    QL_TRY(std::string text, cursor.number());
    if (cursor.peek('[')) {  // an element type: a tensor
      cursor = saved;
      QL_TRY(TensorType type, cursor.type());
      QL_TRY(Tensor tensor, parse_elements(cursor, type, bytes_left_));
      return Attr(std::move(tensor));
    }
    if (is_int(text)) {
      QL_TRY(int64_t value, parse_int(text));
      return Attr(value);
    }
    QL_TRY(float value, parse_float(text));
    return Attr(value);
  }

  // Integers, unless one element is written as a float: then all are floats.
  static Result<Attr> list(TextCursor& cursor) {
    QL_CHECK_OK(cursor.expect('['));
    std::vector<std::string> texts;
    bool ints = true;
    if (!cursor.peek(']')) {
      do {
        QL_TRY(std::string text, cursor.number());
        ints = ints && is_int(text);
        texts.push_back(std::move(text));
      } while (cursor.eat(','));
    }
    QL_CHECK_OK(cursor.expect(']'));
    std::vector<int64_t> whole;
    std::vector<float> real;
    for (const std::string& text : texts) {
      if (ints) {
        QL_TRY(int64_t value, parse_int(text));
        whole.push_back(value);
      } else {
        QL_TRY(float value, parse_float(text));
        real.push_back(value);
      }
    }
    return ints ? Attr(std::move(whole)) : Attr(std::move(real));
  }

  Status add(Node node, const std::vector<Output>& outputs) {
    QL_TRY(auto types, infer_types(graph_, node, ops_, work_));
    std::string where = cat("node '", node.name, "' (", node.op, ")");
    if (types.size() < outputs.size())
      return invalid_argument(where, ": ", outputs.size(), " outputs are named, inference gives ", types.size());
    types.resize(outputs.size());
    std::vector<std::string> names;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].type && *outputs[i].type != types[i])
        return invalid_argument(where, ": output '", outputs[i].name, "' is written as ", to_string(*outputs[i].type),
                                ", inference gives ", to_string(types[i]));
      names.push_back(outputs[i].name);
    }
    NodeId id = graph_.add_node(std::move(node), types, names);
    for (size_t i = 0; i < names.size(); ++i) values_[names[i]] = graph_.at(id).outputs[i];
    return {};
  }

  const OpTable& ops_;
  size_t bytes_left_;
  Graph graph_;
  double work_ = kInferenceWork;
  std::map<std::string, ValueId> values_;
  std::vector<ValueId> outputs_;
};

}  // namespace

Result<Graph> parse_graph(std::string_view text, const OpTable& ops, const ParseOptions& options) {
  Parser parser(ops, options);
  for (size_t number = 1; !text.empty(); ++number) {
    size_t end = text.find('\n');
    Status status = parser.line(text.substr(0, end));
    if (!status.ok()) return std::move(status).context(cat("line ", number)).error();
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return parser.finish();
}

}  // namespace quadlane
