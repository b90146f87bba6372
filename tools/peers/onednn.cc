#include "tools/peers/onednn.h"

#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tools/peers/library.h"

namespace quadlane::peers {
namespace {

#define QL_ONEDNN_FUNCTIONS(X)                                                                                    \
  X(engine_create)                                                                                                \
  X(engine_destroy)                                                                                               \
  X(stream_create) X(stream_destroy) X(stream_wait) X(version) X(memory_desc_init_by_tag) X(memory_desc_get_size) \
      X(memory_create) X(memory_destroy) X(memory_get_data_handle) X(dilated_convolution_forward_desc_init)       \
          X(dilated_deconvolution_forward_desc_init) X(primitive_attr_create) X(primitive_attr_destroy)           \
              X(primitive_attr_set_output_scales) X(primitive_desc_create) X(primitive_desc_destroy)              \
                  X(primitive_desc_query_md) X(primitive_desc_query) X(primitive_create) X(primitive_destroy)     \
                      X(primitive_execute) X(reorder_primitive_desc_create)

struct Functions {
#define QL_DECLARE(name) decltype(&::dnnl_##name) name = nullptr;
  QL_ONEDNN_FUNCTIONS(QL_DECLARE)
#undef QL_DECLARE
};

Status checked(dnnl_status_t status, const char* what) {
  if (status == dnnl_success) return {};
  return unsupported("oneDNN: ", what, " fails with status ", static_cast<int>(status));
}

}  // namespace

struct OneDnn::State {
  Library library;
  Functions f;
  dnnl_engine_t engine = nullptr;
  dnnl_stream_t stream = nullptr;
  std::string version;

  ~State() {
    if (stream) f.stream_destroy(stream);
    if (engine) f.engine_destroy(engine);
  }
};

struct OneDnnConv::State {
  std::shared_ptr<OneDnn::State> library;
  std::string implementation;
  dnnl_primitive_desc_t chosen = nullptr;
  dnnl_primitive_t primitive = nullptr;
  std::vector<dnnl_exec_arg_t> args;

  ~State() {
    for (const dnnl_exec_arg_t& arg : args) library->f.memory_destroy(arg.memory);
    if (primitive) library->f.primitive_destroy(primitive);
    if (chosen) library->f.primitive_desc_destroy(chosen);
  }
};

Result<OneDnn> OneDnn::open(const std::string& library) {
  auto state = std::make_shared<State>();
  const std::string wanted = library.empty() ? cat("libdnnl.so.", DNNL_VERSION_MAJOR) : library;
  QL_TRY(state->library, Library::open("oneDNN", {wanted}, "apt-get install libdnnl2 (or libdnnl-dev)"));
#define QL_FIND(name)                                                                                     \
  state->f.name = state->library.function<std::remove_pointer_t<decltype(state->f.name)>>("dnnl_" #name); \
  if (!state->f.name) return unsupported("'", wanted, "' has no dnnl_" #name);
  QL_ONEDNN_FUNCTIONS(QL_FIND)
#undef QL_FIND
  const dnnl_version_t* v = state->f.version();
  state->version = cat(v->major, ".", v->minor, ".", v->patch);
  if (v->major != DNNL_VERSION_MAJOR)
    return unsupported("'", wanted, "' is oneDNN ", state->version, ", this build knows ", DNNL_VERSION_MAJOR, ".x");
  // One thread: the library's own threads are OpenMP's.
  if (auto* set_threads = state->library.function<void(int)>("omp_set_num_threads")) set_threads(1);
  QL_CHECK_OK(checked(state->f.engine_create(&state->engine, dnnl_cpu, 0), "making an engine"));
  QL_CHECK_OK(
      checked(state->f.stream_create(&state->stream, state->engine, dnnl_stream_default_flags), "making a stream"));
  OneDnn result;
  result.state_ = std::move(state);
  return result;
}

const std::string& OneDnn::version() const { return state_->version; }

namespace {

// The descriptor of either kind of convolution, in layouts of the library's choice.
union Descriptor {
  dnnl_convolution_desc_t conv;
  dnnl_deconvolution_desc_t deconv;
};

Result<dnnl_memory_desc_t> any_layout(const Functions& f, std::vector<dnnl_dim_t> dims, dnnl_data_type_t type) {
  dnnl_memory_desc_t desc;
  QL_CHECK_OK(
      checked(f.memory_desc_init_by_tag(&desc, static_cast<int>(dims.size()), dims.data(), type, dnnl_format_tag_any),
              "describing a tensor"));
  return desc;
}

std::vector<dnnl_dim_t> weight_dims(const ConvLayer& l) {
  std::vector<dnnl_dim_t> dims = {l.outputs / l.group, l.inputs / l.group, l.kernel[0], l.kernel[1]};
  if (l.group > 1) dims.insert(dims.begin(), l.group);
  return dims;
}

Result<Descriptor> describe(const Functions& f, const ConvLayer& l) {
  const bool int8 = l.type == DType::u8;
  const dnnl_data_type_t data = int8 ? dnnl_u8 : dnnl_f32, weights = int8 ? dnnl_s8 : dnnl_f32;
  QL_TRY(dnnl_memory_desc_t src, any_layout(f, {l.n, l.inputs, l.in[0], l.in[1]}, data));
  QL_TRY(dnnl_memory_desc_t weight, any_layout(f, weight_dims(l), weights));
  QL_TRY(dnnl_memory_desc_t bias, any_layout(f, {l.outputs}, int8 ? dnnl_s32 : dnnl_f32));
  QL_TRY(dnnl_memory_desc_t dst, any_layout(f, {l.n, l.outputs, l.out[0], l.out[1]}, data));
  const dnnl_dims_t strides = {l.stride[0], l.stride[1]}, dilates = {l.dilation[0] - 1, l.dilation[1] - 1};
  const dnnl_dims_t begin = {l.pad_begin[0], l.pad_begin[1]}, end = {l.pad_end[0], l.pad_end[1]};
  Descriptor d;
  dnnl_status_t status =
      l.transposed
          ? f.dilated_deconvolution_forward_desc_init(&d.deconv, dnnl_forward_inference, dnnl_deconvolution_direct,
                                                      &src, &weight, &bias, &dst, strides, dilates, begin, end)
          : f.dilated_convolution_forward_desc_init(&d.conv, dnnl_forward_inference, dnnl_convolution_direct, &src,
                                                    &weight, &bias, &dst, strides, dilates, begin, end);
  QL_CHECK_OK(checked(status, "describing a convolution"));
  return d;
}

// The next of small numbers that look random: bytes of data and weights; 0 for biases.
void fill(void* data, size_t bytes, DType type) {
  uint32_t state = 12345;
  for (size_t i = 0; i < bytes; ++i) {
    state = state * 1664525 + 1013904223;
    if (type == DType::u8)
      static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(state >> 25);
    else if (i % 4 == 0)
      static_cast<float*>(data)[i / 4] = static_cast<float>(state >> 25) / 128;
  }
}

}  // namespace

Result<OneDnnConv> OneDnnConv::make(const OneDnn& library, const ConvLayer& l) {
  auto state = std::make_shared<State>();
  state->library = library.state_;
  const Functions& f = library.state_->f;
  QL_TRY(Descriptor descriptor, describe(f, l));
  dnnl_primitive_attr_t attr = nullptr;
  QL_CHECK_OK(checked(f.primitive_attr_create(&attr), "making attributes"));
  if (l.type == DType::u8) {  // a scale for each output channel
    std::vector<float> scales(static_cast<size_t>(l.outputs), l.output_scale());
    QL_CHECK_OK(checked(f.primitive_attr_set_output_scales(attr, l.outputs, 1 << 1, scales.data()), "setting scales"));
  }
  dnnl_status_t status = f.primitive_desc_create(&state->chosen, &descriptor, attr, library.state_->engine, nullptr);
  f.primitive_attr_destroy(attr);
  QL_CHECK_OK(checked(status, "choosing an implementation").context(l.text()));
  const char* name = nullptr;
  QL_CHECK_OK(checked(f.primitive_desc_query(state->chosen, dnnl_query_impl_info_str, 0, &name), "asking its name"));
  state->implementation = name;
  QL_CHECK_OK(checked(f.primitive_create(&state->primitive, state->chosen), "making a primitive").context(l.text()));
  const std::pair<dnnl_query_t, int> tensors[] = {{dnnl_query_src_md, DNNL_ARG_SRC},
                                                  {dnnl_query_weights_md, DNNL_ARG_WEIGHTS},
                                                  {dnnl_query_dst_md, DNNL_ARG_DST},
                                                  {dnnl_query_weights_md, DNNL_ARG_BIAS}};
  for (auto [query, arg] : tensors) {
    const bool bias = arg == DNNL_ARG_BIAS;
    const dnnl_memory_desc_t* desc = f.primitive_desc_query_md(state->chosen, query, bias ? 1 : 0);
    dnnl_memory_t memory = nullptr;
    QL_CHECK_OK(
        checked(f.memory_create(&memory, desc, library.state_->engine, DNNL_MEMORY_ALLOCATE), "making a tensor"));
    state->args.push_back({arg, memory});
    void* data = nullptr;
    QL_CHECK_OK(checked(f.memory_get_data_handle(memory, &data), "finding a tensor"));
    if (bias)
      std::memset(data, 0, f.memory_desc_get_size(desc));
    else
      fill(data, f.memory_desc_get_size(desc), l.type);
  }
  OneDnnConv conv;
  conv.state_ = std::move(state);
  QL_CHECK_OK(conv.run());
  return conv;
}

Status OneDnnConv::run() {
  const State& s = *state_;
  dnnl_stream_t stream = s.library->stream;
  QL_CHECK_OK(
      checked(s.library->f.primitive_execute(s.primitive, stream, static_cast<int>(s.args.size()), s.args.data()),
              "executing"));
  return checked(s.library->f.stream_wait(stream), "waiting");
}

namespace {

// From one layout to another, where the second lies.
Status reorder(const OneDnn::State& library, dnnl_memory_t from, const dnnl_memory_desc_t& from_desc, dnnl_memory_t to,
               const dnnl_memory_desc_t& to_desc) {
  const Functions& f = library.f;
  dnnl_primitive_desc_t chosen = nullptr;
  dnnl_primitive_t primitive = nullptr;
  Status done =
      checked(f.reorder_primitive_desc_create(&chosen, &from_desc, library.engine, &to_desc, library.engine, nullptr),
              "choosing a reorder");
  if (done.ok()) done = checked(f.primitive_create(&primitive, chosen), "making a reorder");
  const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  if (done.ok()) done = checked(f.primitive_execute(primitive, library.stream, 2, args), "reordering");
  if (done.ok()) done = checked(f.stream_wait(library.stream), "waiting");
  if (primitive) f.primitive_destroy(primitive);
  if (chosen) f.primitive_desc_destroy(chosen);
  return done;
}

dnnl_data_type_t data_type(DType type) { return type == DType::u8 ? dnnl_u8 : type == DType::s8 ? dnnl_s8 : dnnl_f32; }

}  // namespace

Result<Tensor> OneDnnConv::compute(const ConvLayer& l, const Tensor& input, const Tensor& weights) {
  const OneDnn::State& library = *state_->library;
  const Functions& f = library.f;
  QL_TRY(Tensor output, Tensor::allocate({l.type, {l.n, l.outputs, l.out[0], l.out[1]}}));
  // The argument's tensor in the library's layout and this dense one: filled from it or written to it.
  auto exchange = [&](int arg, dnnl_query_t query, std::vector<dnnl_dim_t> dims, dnnl_format_tag_t tag, DType type,
                      void* data) -> Status {
    const dnnl_memory_t own =
        std::find_if(state_->args.begin(), state_->args.end(), [&](const auto& a) { return a.arg == arg; })->memory;
    const dnnl_memory_desc_t& own_desc = *f.primitive_desc_query_md(state_->chosen, query, 0);
    dnnl_memory_desc_t desc;
    dnnl_memory_t dense = nullptr;
    QL_CHECK_OK(
        checked(f.memory_desc_init_by_tag(&desc, static_cast<int>(dims.size()), dims.data(), data_type(type), tag),
                "describing a dense tensor"));
    QL_CHECK_OK(checked(f.memory_create(&dense, &desc, library.engine, data), "wrapping a dense tensor"));
    Status done = arg == DNNL_ARG_DST ? reorder(library, own, own_desc, dense, desc)
                                      : reorder(library, dense, desc, own, own_desc);
    f.memory_destroy(dense);
    return done;
  };
  const dnnl_format_tag_t of_weights =
      l.transposed ? (l.group > 1 ? dnnl_giohw : dnnl_iohw) : (l.group > 1 ? dnnl_goihw : dnnl_oihw);
  QL_CHECK_OK(exchange(DNNL_ARG_SRC, dnnl_query_src_md, input.shape(), dnnl_nchw, input.dtype(),
                       const_cast<void*>(input.data())));
  QL_CHECK_OK(exchange(DNNL_ARG_WEIGHTS, dnnl_query_weights_md, weight_dims(l), of_weights, weights.dtype(),
                       const_cast<void*>(weights.data())));
  QL_CHECK_OK(run());
  QL_CHECK_OK(
      exchange(DNNL_ARG_DST, dnnl_query_dst_md, output.shape(), dnnl_nchw, output.dtype(), output.mutable_data()));
  return output;
}

const std::string& OneDnnConv::implementation() const { return state_->implementation; }

}  // namespace quadlane::peers
