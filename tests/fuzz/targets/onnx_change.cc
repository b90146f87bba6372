#include "tests/fuzz/targets/onnx_change.h"

#include <google/protobuf/message.h>
#include <onnx/onnx_pb.h>

#include <limits>
#include <random>
#include <vector>

#include "loader/guard.h"
#include "ops/table.h"

namespace quadlane::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

class Changer {
 public:
  Changer(unsigned seed, Target::Mutate mutate) : random_(seed), mutate_(mutate) {}

  void change(Message& model) {
    std::vector<Message*> all;
    collect(model, all);
    Message& message = *all[pick(all.size())];
    const auto* type = message.GetDescriptor();
    std::vector<const FieldDescriptor*> present;
    message.GetReflection()->ListFields(message, &present);
    // Fields that are there are changed more often than absent ones come into being.
    const FieldDescriptor* field = !present.empty() && pick(4)
                                       ? present[pick(present.size())]
                                       : type->field(static_cast<int>(pick(type->field_count())));
    if (field->is_repeated())
      change_list(message, *field, all);
    else if (pick(8) == 0)
      message.GetReflection()->ClearField(&message, field);
    else
      change_one(message, *field, -1, all);
  }

 private:
  size_t pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  void collect(Message& message, std::vector<Message*>& all) {
    all.push_back(&message);
    std::vector<const FieldDescriptor*> present;
    const Reflection& r = *message.GetReflection();
    r.ListFields(message, &present);
    for (const FieldDescriptor* f : present) {
      if (f->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!f->is_repeated()) collect(*r.MutableMessage(&message, f), all);
      for (int i = 0; f->is_repeated() && i < r.FieldSize(message, f); ++i)
        collect(*r.MutableRepeatedMessage(&message, f, i), all);
    }
  }

  void change_list(Message& message, const FieldDescriptor& f, const std::vector<Message*>& all) {
    const Reflection& r = *message.GetReflection();
    const int count = r.FieldSize(message, &f);
    const auto at = static_cast<int>(count ? pick(static_cast<size_t>(count)) : 0);
    switch (count ? pick(5) : 0) {
      case 0: return append(message, f, all);
      case 1: r.SwapElements(&message, &f, at, count - 1); return r.RemoveLast(&message, &f);
      case 2: return r.SwapElements(&message, &f, at, static_cast<int>(pick(static_cast<size_t>(count))));
      default: return change_one(message, f, at, all);
    }
  }

  // Appends a copy of an element, or one out of nothing.
  void append(Message& message, const FieldDescriptor& f, const std::vector<Message*>& all) {
    const Reflection& r = *message.GetReflection();
    switch (f.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        Message* added = r.AddMessage(&message, &f);
        std::vector<const Message*> same;
        for (const Message* other : all)
          if (other->GetDescriptor() == added->GetDescriptor() &&
              !other->GetReflection()->GetUnknownFields(*other).field_count())
            same.push_back(other);
        if (!same.empty()) {
          std::unique_ptr<Message> copy(added->New());
          copy->CopyFrom(*same[pick(same.size())]);  // a copy first: the new element may lie inside the original
          added->CopyFrom(*copy);
        }
        return;
      }
      case FieldDescriptor::CPPTYPE_STRING: return r.AddString(&message, &f, text(all));
      case FieldDescriptor::CPPTYPE_INT64: return r.AddInt64(&message, &f, integer());
      case FieldDescriptor::CPPTYPE_INT32: return r.AddInt32(&message, &f, static_cast<int32_t>(integer()));
      case FieldDescriptor::CPPTYPE_UINT64: return r.AddUInt64(&message, &f, static_cast<uint64_t>(integer()));
      case FieldDescriptor::CPPTYPE_FLOAT: return r.AddFloat(&message, &f, real());
      case FieldDescriptor::CPPTYPE_DOUBLE: return r.AddDouble(&message, &f, real());
      default: return;
    }
  }

  // `at` is an element of a list, -1 for a single field.
  void change_one(Message& message, const FieldDescriptor& f, int at, const std::vector<Message*>& all) {
    const Reflection& r = *message.GetReflection();
    auto set = [&](auto single, auto repeated, auto value) {
      if (at < 0)
        (r.*single)(&message, &f, value);
      else
        (r.*repeated)(&message, &f, at, value);
    };
    switch (f.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT64: return set(&Reflection::SetInt64, &Reflection::SetRepeatedInt64, integer());
      case FieldDescriptor::CPPTYPE_INT32:
        return set(&Reflection::SetInt32, &Reflection::SetRepeatedInt32, static_cast<int32_t>(integer()));
      case FieldDescriptor::CPPTYPE_UINT64:
        return set(&Reflection::SetUInt64, &Reflection::SetRepeatedUInt64, static_cast<uint64_t>(integer()));
      case FieldDescriptor::CPPTYPE_FLOAT: return set(&Reflection::SetFloat, &Reflection::SetRepeatedFloat, real());
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return set(&Reflection::SetDouble, &Reflection::SetRepeatedDouble, static_cast<double>(real()));
      case FieldDescriptor::CPPTYPE_ENUM:
        return r.SetEnumValue(&message, &f,
                              static_cast<int>(pick(static_cast<size_t>(f.enum_type()->value_count()) + 1)));
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string was = at < 0 ? r.GetString(message, &f) : r.GetRepeatedString(message, &f, at);
        std::string now = f.type() == FieldDescriptor::TYPE_BYTES || !pick(6) ? mutated(was) : text(all);
        if (at < 0)
          r.SetString(&message, &f, std::move(now));
        else
          r.SetRepeatedString(&message, &f, at, std::move(now));
        return;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (at < 0) (void)r.MutableMessage(&message, &f);
        return;
      default: return;
    }
  }

  int64_t integer() {
    constexpr int64_t kEdges[] = {-1,
                                  0,
                                  1,
                                  2,
                                  3,
                                  4,
                                  7,
                                  8,
                                  16,
                                  127,
                                  255,
                                  256,
                                  65535,
                                  1 << 20,
                                  INT32_MAX,
                                  INT32_MIN,
                                  1LL << 31,
                                  1LL << 32,
                                  1LL << 40,
                                  INT64_MAX,
                                  INT64_MIN,
                                  INT64_MAX / 2,
                                  INT64_MIN + 1,
                                  -2};
    return pick(3) ? static_cast<int64_t>(pick(12)) - 2 : kEdges[pick(std::size(kEdges))];
  }
  float real() {
    constexpr float kEdges[] = {0, -0.0f, 1, -1, 0.5f, 2, 255, 1e-30f, 1e30f, 1e-40f, 3e38f};
    if (!pick(10)) return pick(2) ? std::numeric_limits<float>::quiet_NaN() : -std::numeric_limits<float>::infinity();
    return pick(2) ? kEdges[pick(std::size(kEdges))] : static_cast<float>(pick(1000)) / 100 - 5;
  }
  std::string mutated(std::string was) {
    const size_t size = was.size();
    was.resize(size + 16);
    was.resize(mutate_(reinterpret_cast<uint8_t*>(was.data()), size, was.size()));
    return was;
  }
  // An operator, or a word of the model: so that values become connected anew.
  std::string text(const std::vector<Message*>& all) {
    if (!pick(4)) {
      const auto ops = op_table().all();
      return std::string(ops[pick(ops.size())].name);
    }
    for (int tries = 0; tries < 20; ++tries) {
      const Message& message = *all[pick(all.size())];
      std::vector<const FieldDescriptor*> present;
      message.GetReflection()->ListFields(message, &present);
      if (present.empty()) continue;
      const FieldDescriptor& f = *present[pick(present.size())];
      if (f.type() != FieldDescriptor::TYPE_STRING) continue;
      if (!f.is_repeated()) return message.GetReflection()->GetString(message, &f);
      const int count = message.GetReflection()->FieldSize(message, &f);
      return message.GetReflection()->GetRepeatedString(message, &f,
                                                        static_cast<int>(pick(static_cast<size_t>(count))));
    }
    return {};
  }

  std::mt19937 random_;
  Target::Mutate mutate_;
};

}  // namespace

size_t change_onnx(uint8_t* data, size_t size, size_t most, unsigned seed, Target::Mutate mutate) {
  onnx::ModelProto model;
  if (seed % 16 == 0 || !parse_proto(std::as_bytes(std::span(data, size)), &model)) return mutate(data, size, most);
  Changer changer(seed, mutate);
  for (unsigned i = 0; i < 1 + seed / 16 % 4; ++i) changer.change(model);
  const std::string bytes = model.SerializePartialAsString();
  if (bytes.empty() || bytes.size() > most) return size;
  std::copy(bytes.begin(), bytes.end(), data);
  return bytes.size();
}

}  // namespace quadlane::fuzz
