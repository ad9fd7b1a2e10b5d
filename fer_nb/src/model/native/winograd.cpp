// Convolutions of 3x3 by Winograd's minimal filtering: F(2x2, 3x3) of Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", 2016. Four outputs, a tile of 2x2, take 16 multiplications a channel instead
// of 36: the 4x4 inputs below them and the 3x3 weights are transformed by additions, multiplied number by
// number, and what comes out is transformed back,
//
//     Y = A' ((G g G') * (B' d B)) A
//
// so that all channels of many tiles make 16 products of matrices. The gradients are of the same form: the
// input's is a convolution with the weights turned round, the weights' is G' ((B' d B) * (A Y A')) G.
//
// Sums are float. In bfloat16 what was transformed is rounded before it is multiplied: a layer's output is off
// by 0.3 % in the root mean square, where its own rounding is off by 0.2 %. In float it is off by no more than
// libtorch's. One number beside a far larger one of the same tile loses digits to it, and beside one that is
// infinite becomes NaN.
//
// build.rs compiles this file once for each name in winograd.h's last declaration, with KERNELS as that name
// and NUMBER as Float or Bfloat16.

#include "winograd.h"

#include <immintrin.h>

#include <cstring>

#define ALWAYS_INLINE inline __attribute__((always_inline))
// Small loops over registers have to vanish.
#define UNROLL _Pragma("GCC unroll 16")

namespace {

using winograd::Shape;

#ifdef __AVX512F__
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

ALWAYS_INLINE Vector load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
ALWAYS_INLINE void store(float* to, Vector x) { *reinterpret_cast<Unaligned*>(to) = x; }

// A kind of number: how it is read, written and multiplied. DEPTH of them are multiplied and added by one
// instruction, and lie side by side for it.
struct Float {
  using T = float;
  using Factor = Vector;
  static constexpr int DEPTH = 1;

  static ALWAYS_INLINE Vector load(const T* from) { return ::load(from); }
  static ALWAYS_INLINE void store(T* to, Vector x) { ::store(to, x); }
  static ALWAYS_INLINE void interleave(T* to, int64_t step, Vector a, Vector b) {
    ::store(to, a);
    ::store(to + step, b);
  }
  static ALWAYS_INLINE Factor row(const T* from) { return ::load(from); }
  static ALWAYS_INLINE Factor broadcast(const T* from) { return *from - Vector{}; }
  static ALWAYS_INLINE Vector add(Vector sum, Factor a, Factor b) { return sum + a * b; }
};

#ifdef __AVX512BF16__
struct Bfloat16 {
  using T = uint16_t; // the upper half of a float
  using Factor = __m512i;
  static constexpr int DEPTH = 2;

  static ALWAYS_INLINE Vector load(const T* from) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return (Vector)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
  }
  static ALWAYS_INLINE void store(T* to, Vector x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh((__m512)x));
  }
  static ALWAYS_INLINE void interleave(T* to, int64_t, Vector a, Vector b) {
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
        23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(order, both));
  }
  static ALWAYS_INLINE Factor row(const T* from) { return _mm512_loadu_si512(from); }
  static ALWAYS_INLINE Factor broadcast(const T* from) {
    int32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static ALWAYS_INLINE Vector add(Vector sum, Factor a, Factor b) {
    return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
};
#endif

using Number = NUMBER;
using T = Number::T;
constexpr int DEPTH = Number::DEPTH;

// A matrix's columns are cut into panels, of which `product` holds a row in registers: four vectors where
// there are 32 registers and the columns make whole panels, else two.
constexpr int WIDE = LANES == 16 ? 4 : 2;
constexpr int NARROW = 2;

ALWAYS_INLINE int64_t panel(int64_t columns) {
  return columns % (WIDE * LANES) == 0 ? WIDE * LANES : NARROW * LANES;
}

// Where a factor of `product` lies: from one row to the next, and from one step of DEPTH to the next.
struct Stride {
  int64_t row, step;
};

// sums [ROWS, VECTORS * LANES], of rows `sums_row` apart, is (or, where ADD, grows by) the sum over all steps of
// a's row by b's vectors.
template <int ROWS, int VECTORS, bool ADD>
ALWAYS_INLINE void product(const T* a, Stride a_stride, const T* b, int64_t b_step, int64_t steps,
                           float* sums, int64_t sums_row) {
  Vector sum[ROWS][VECTORS];
  UNROLL for (int r = 0; r < ROWS; r++) {
    UNROLL for (int v = 0; v < VECTORS; v++) {
      sum[r][v] = ADD ? load(sums + r * sums_row + v * LANES) : Vector{};
    }
  }
  for (int64_t k = 0; k < steps; k++) {
    Number::Factor factors[VECTORS];
    UNROLL for (int v = 0; v < VECTORS; v++) factors[v] = Number::row(b + v * LANES * DEPTH);
    UNROLL for (int r = 0; r < ROWS; r++) {
      const Number::Factor factor = Number::broadcast(a + r * a_stride.row);
      UNROLL for (int v = 0; v < VECTORS; v++) {
        sum[r][v] = Number::add(sum[r][v], factor, factors[v]);
      }
    }
    a += a_stride.step;
    b += b_step;
  }
  UNROLL for (int r = 0; r < ROWS; r++) {
    UNROLL for (int v = 0; v < VECTORS; v++) store(sums + r * sums_row + v * LANES, sum[r][v]);
  }
}

// B' d: a column of four numbers.
ALWAYS_INLINE void transform_inputs(const Vector (&d)[4], Vector (&out)[4]) {
  out[0] = d[0] - d[2];
  out[1] = d[1] + d[2];
  out[2] = d[2] - d[1];
  out[3] = d[1] - d[3];
}

// B' d B of one tile row of images, LANES channels from `channel` on: calls emit(t, place, a, b) with the number
// of tiles t and t + 1 at each of the 16 places, t even. Where the row ends with t, b is no tile's, and not
// zero either.
template <class Emit>
ALWAYS_INLINE void transform_tile_row(const T* xs, Shape shape, int64_t channels, int64_t tile_row,
                                      int64_t channel, Emit emit) {
  const int64_t of_an_image = shape.height / 2;
  const int64_t top = tile_row % of_an_image * 2 - 1;
  const T* image = xs + tile_row / of_an_image * shape.height * shape.width * channels + channel;
  const auto column = [&](int64_t x, Vector(&out)[4]) __attribute__((always_inline)) {
    Vector d[4];
    UNROLL for (int i = 0; i < 4; i++) {
      const int64_t y = top + i;
      const bool inside = x >= 0 && x < shape.width && y >= 0 && y < shape.height;
      d[i] = inside ? Number::load(image + (y * shape.width + x) * channels) : Vector{};
    }
    transform_inputs(d, out);
  };
  // The columns of two neighbours, the first two of which are the last two of the pair before.
  Vector d[6][4];
  column(-1, d[4]);
  column(0, d[5]);
  for (int64_t t = 0; t < shape.width / 2; t += 2) {
    UNROLL for (int i = 0; i < 4; i++) d[0][i] = d[4][i], d[1][i] = d[5][i];
    UNROLL for (int j = 2; j < 6; j++) column(2 * t + j - 1, d[j]);
    UNROLL for (int i = 0; i < 4; i++) {
      const Vector a[] = {d[0][i], d[1][i], d[2][i], d[3][i]};
      const Vector b[] = {d[2][i], d[3][i], d[4][i], d[5][i]};
      Vector of_a[4], of_b[4];
      transform_inputs(a, of_a);
      transform_inputs(b, of_b);
      UNROLL for (int j = 0; j < 4; j++) emit(t, 4 * i + j, of_a[j], of_b[j]);
    }
  }
}

// A Y A' of one tile row of an output's gradient, as transform_tile_row has it; where the row ends with t, b is
// zero. Returns the sum of the gradient, which is what the bias gets.
template <class Emit>
ALWAYS_INLINE Vector transform_gradient_row(const T* gradient, Shape shape, int64_t tile_row,
                                            int64_t channel, Emit emit) {
  const int64_t tiles = shape.width / 2, row = shape.width * shape.outputs;
  const T* top = gradient + 2 * tile_row * row + channel;
  Vector sum{};
  for (int64_t t = 0; t < tiles; t += 2) {
    Vector out[2][16];
    UNROLL for (int n = 0; n < 2; n++) {
      const T* at = top + 2 * (t + n) * shape.outputs;
      Vector y[2][2];
      UNROLL for (int i = 0; i < 2; i++) {
        UNROLL for (int j = 0; j < 2; j++) {
          y[i][j] = t + n < tiles ? Number::load(at + i * row + j * shape.outputs) : Vector{};
        }
      }
      Vector left[] = {y[0][0], y[0][0] + y[1][0], y[0][0] - y[1][0], -y[1][0]};
      Vector right[] = {y[0][1], y[0][1] + y[1][1], y[0][1] - y[1][1], -y[1][1]};
      UNROLL for (int i = 0; i < 4; i++) {
        out[n][4 * i] = left[i];
        out[n][4 * i + 1] = left[i] + right[i];
        out[n][4 * i + 2] = left[i] - right[i];
        out[n][4 * i + 3] = -right[i];
      }
      sum += out[n][5];
    }
    UNROLL for (int place = 0; place < 16; place++) emit(t, place, out[0][place], out[1][place]);
  }
  return sum;
}

// A' m A of one tile's 16 numbers, `plane` apart: 2x2.
ALWAYS_INLINE void transform_back(const float* m, int64_t plane, Vector (&y)[2][2]) {
  Vector half[2][4];
  UNROLL for (int j = 0; j < 4; j++) {
    Vector column[4];
    UNROLL for (int i = 0; i < 4; i++) column[i] = load(m + (4 * i + j) * plane);
    half[0][j] = column[0] + column[1] + column[2];
    half[1][j] = column[1] - column[2] - column[3];
  }
  UNROLL for (int i = 0; i < 2; i++) {
    y[i][0] = half[i][0] + half[i][1] + half[i][2];
    y[i][1] = half[i][1] - half[i][2] - half[i][3];
  }
}

// G g: a column of three numbers.
ALWAYS_INLINE void transform_weights(Vector a, Vector b, Vector c, Vector (&out)[4]) {
  const Vector outer = 0.5f * (a + c), inner = 0.5f * b;
  out[0] = a;
  out[1] = outer + inner;
  out[2] = outer - inner;
  out[3] = c;
}

// G g G' of LANES inputs' weights for one output, turned round where `back`.
ALWAYS_INLINE void transform_weights(const T* weight, int64_t inputs, bool back, Vector (&out)[16]) {
  Vector half[3][4];
  UNROLL for (int j = 0; j < 3; j++) {
    Vector g[3];
    UNROLL for (int i = 0; i < 3; i++) {
      g[i] = Number::load(weight + (back ? 8 - 3 * i - j : 3 * i + j) * inputs);
    }
    transform_weights(g[0], g[1], g[2], half[j]);
  }
  UNROLL for (int i = 0; i < 4; i++) {
    Vector row[4];
    transform_weights(half[0][i], half[1][i], half[2][i], row);
    UNROLL for (int j = 0; j < 4; j++) out[4 * i + j] = row[j];
  }
}

// Packed weights lie [16, columns / panel, depth / DEPTH, panel, DEPTH]: columns are the convolution's outputs,
// depth is its inputs. On the way back they change places.
void pack(const void* weight, Shape shape, bool back, int64_t first, int64_t last, void* packed) {
  const int64_t inputs = shape.inputs, outputs = shape.outputs;
  const int64_t columns = back ? inputs : outputs, depth = back ? outputs : inputs;
  const int64_t width = panel(columns), plane = inputs * outputs;
  const auto place_of = [&](int64_t column, int64_t k) __attribute__((always_inline)) {
    return static_cast<T*>(packed) + column / width * width * depth +
           (k / DEPTH * width + column % width) * DEPTH + k % DEPTH;
  };
  for (int64_t output = first; output < last; output += 2) {
    for (int64_t input = 0; input < inputs; input += LANES) {
      Vector g[2][16];
      for (int n = 0; n < 2; n++) {
        const T* from = static_cast<const T*>(weight) + (output + n) * 9 * inputs + input;
        transform_weights(from, inputs, back, g[n]);
      }
      if (back) {
        T* to = place_of(input, output);
        const int64_t step = width; // to the next k, where numbers aren't interleaved
        for (int i = 0; i < 16; i++) Number::interleave(to + i * plane, step, g[0][i], g[1][i]);
        continue;
      }
      for (int n = 0; n < 2; n++) {
        for (int i = 0; i < 16; i++) {
          T numbers[LANES];
          Number::store(numbers, g[n][i]);
          for (int k = 0; k < LANES; k += DEPTH) {
            T* to = place_of(output + n, input + k) + i * plane;
            std::memcpy(to, numbers + k, DEPTH * sizeof(T));
          }
        }
      }
    }
  }
}

// Tile rows that are worked on at once: some 48 tiles, so that what lies between two steps of the work stays in
// the second cache with up to 128 channels, and a transformed weight is read for many tiles.
ALWAYS_INLINE int64_t block_of(Shape shape) {
  const int64_t tiles = shape.width / 2;
  return tiles >= 48 ? 1 : 48 / tiles;
}

// Tiles as `product` takes them, at most 12 at once, and in pairs.
ALWAYS_INLINE int64_t most_tiles(Shape shape) {
  return block_of(shape) * (shape.width / 2 + 1) + 12;
}

constexpr int64_t PAGE = 4096;

ALWAYS_INLINE int64_t whole_pages(int64_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }

// The transformed inputs' part of the scratch memory.
ALWAYS_INLINE int64_t inputs_bytes(Shape shape) {
  return whole_pages(16 * most_tiles(shape) * shape.inputs * sizeof(T));
}

int64_t scratch(Shape shape) {
  return inputs_bytes(shape) + whole_pages(16 * most_tiles(shape) * shape.outputs * sizeof(float));
}

template <int ROWS, int VECTORS>
void convolve_with(const T* xs, const T* packed, const float* bias, T* ys, Shape shape, int64_t first,
                   int64_t last, char* scratch) {
  const int64_t inputs = shape.inputs, outputs = shape.outputs, tiles = shape.width / 2;
  const int64_t block = block_of(shape), width = VECTORS * LANES;
  T* transformed = reinterpret_cast<T*>(scratch);
  float* products = reinterpret_cast<float*>(scratch + inputs_bytes(shape));
  for (int64_t begin = first; begin < last; begin += block) {
    const int64_t end = begin + block < last ? begin + block : last;
    const int64_t count = (end - begin) * tiles;
    const int64_t rows = (count + ROWS - 1) / ROWS * ROWS;
    // [16, rows, inputs], with zeros in rows that are no tile's
    const int64_t plane = rows * inputs;
    for (int i = 0; i < 16; i++) {
      std::memset(transformed + i * plane + count * inputs, 0, (rows - count) * inputs * sizeof(T));
    }
    for (int64_t row = begin; row < end; row++) {
      for (int64_t channel = 0; channel < inputs; channel += LANES) {
        T* to = transformed + (row - begin) * tiles * inputs + channel;
        transform_tile_row(xs, shape, inputs, row, channel,
                           [&](int64_t t, int place, Vector a, Vector b) __attribute__((always_inline)) {
                             T* at = to + place * plane + t * inputs;
                             Number::store(at, a);
                             if (t + 1 < tiles) Number::store(at + inputs, b);
                           });
      }
    }
    for (int i = 0; i < 16; i++) {
      for (int64_t column = 0; column < outputs; column += width) {
        const T* panel = packed + (i * outputs + column) * inputs;
        for (int64_t row = 0; row < rows; row += ROWS) {
          product<ROWS, VECTORS, false>(transformed + i * plane + row * inputs, {inputs, DEPTH}, panel,
                                        width * DEPTH, inputs / DEPTH,
                                        products + (i * rows + row) * outputs + column, outputs);
        }
      }
    }
    for (int64_t row = begin; row < end; row++) {
      T* top = ys + 2 * row * shape.width * outputs;
      T* bottom = top + shape.width * outputs;
      for (int64_t t = 0; t < tiles; t++) {
        const float* from = products + ((row - begin) * tiles + t) * outputs;
        for (int64_t channel = 0; channel < outputs; channel += LANES) {
          const Vector shift = bias ? load(bias + channel) : Vector{};
          Vector y[2][2];
          transform_back(from + channel, rows * outputs, y);
          UNROLL for (int j = 0; j < 2; j++) {
            const int64_t at = (2 * t + j) * outputs + channel;
            Number::store(top + at, y[0][j] + shift);
            Number::store(bottom + at, y[1][j] + shift);
          }
        }
      }
    }
  }
}

void convolve(const void* xs, const void* packed, const float* bias, void* ys, Shape shape,
              int64_t first, int64_t last, void* scratch) {
  const bool wide = panel(shape.outputs) == WIDE * LANES;
  // As many sums as registers hold beside the factors.
  const auto way = wide ? convolve_with<6, WIDE> : convolve_with<LANES == 16 ? 12 : 6, NARROW>;
  way(static_cast<const T*>(xs), static_cast<const T*>(packed), bias, static_cast<T*>(ys), shape, first,
      last, static_cast<char*>(scratch));
}

template <int ROWS, int VECTORS>
void accumulate_with(const T* xs, const T* gradient, float* sums, float* bias_sums, Shape shape,
                     int64_t first, int64_t last, char* scratch) {
  const int64_t inputs = shape.inputs, outputs = shape.outputs, tiles = shape.width / 2;
  const int64_t block = block_of(shape);
  // Tiles are what is summed over, DEPTH at once: [16, steps, channels, DEPTH].
  const int64_t steps_of_a_row = (tiles + DEPTH - 1) / DEPTH;
  T* transformed = reinterpret_cast<T*>(scratch);
  T* transformed_gradient = reinterpret_cast<T*>(scratch + inputs_bytes(shape));
  for (int64_t begin = first; begin < last; begin += block) {
    const int64_t end = begin + block < last ? begin + block : last;
    const int64_t steps = (end - begin) * steps_of_a_row;
    const int64_t plane = steps * DEPTH * inputs, gradient_plane = steps * DEPTH * outputs;
    const auto emit_to = [&](T* to, int64_t step, int64_t channels) __attribute__((always_inline)) {
      return [=](int64_t t, int place, Vector a, Vector b) __attribute__((always_inline)) {
        T* at = to + place * step + t * channels;
        if (DEPTH == 2 || t + 1 < tiles) {
          Number::interleave(at, channels, a, b);
        } else {
          Number::store(at, a);
        }
      };
    };
    for (int64_t row = begin; row < end; row++) {
      const int64_t before = (row - begin) * steps_of_a_row * DEPTH;
      for (int64_t channel = 0; channel < inputs; channel += LANES) {
        T* to = transformed + before * inputs + channel * DEPTH;
        transform_tile_row(xs, shape, inputs, row, channel, emit_to(to, plane, inputs));
      }
      for (int64_t channel = 0; channel < outputs; channel += LANES) {
        T* to = transformed_gradient + before * outputs + channel * DEPTH;
        const Vector sum = transform_gradient_row(gradient, shape, row, channel,
                                                  emit_to(to, gradient_plane, outputs));
        store(bias_sums + channel, load(bias_sums + channel) + sum);
      }
    }
    for (int i = 0; i < 16; i++) {
      for (int64_t column = 0; column < inputs; column += VECTORS * LANES) {
        for (int64_t row = 0; row < outputs; row += ROWS) {
          product<ROWS, VECTORS, true>(
              transformed_gradient + i * gradient_plane + row * DEPTH, {DEPTH, outputs * DEPTH},
              transformed + i * plane + column * DEPTH, inputs * DEPTH, steps,
              sums + (i * outputs + row) * inputs + column, inputs);
        }
      }
    }
  }
}

void accumulate(const void* xs, const void* gradient, float* sums, float* bias_sums, Shape shape,
                int64_t first, int64_t last, void* scratch) {
  const bool wide = panel(shape.inputs) == WIDE * LANES;
  // CHANNELS is a multiple of either number of rows.
  const auto way = wide ? accumulate_with<4, WIDE> : accumulate_with<LANES == 16 ? 8 : 4, NARROW>;
  way(static_cast<const T*>(xs), static_cast<const T*>(gradient), sums, bias_sums, shape, first, last,
      static_cast<char*>(scratch));
}

// G' s: a column of four numbers.
ALWAYS_INLINE void finish_column(const Vector (&s)[4], Vector (&out)[3]) {
  const Vector half = 0.5f * s[1], other = 0.5f * s[2];
  out[0] = s[0] + half + other;
  out[1] = half - other;
  out[2] = half + other + s[3];
}

void finish(const float* sums, int64_t parts, Shape shape, int64_t first, int64_t last,
            void* weight_gradient) {
  const int64_t inputs = shape.inputs, plane = inputs * shape.outputs;
  for (int64_t output = first; output < last; output++) {
    for (int64_t input = 0; input < inputs; input += LANES) {
      Vector half[4][3];
      for (int j = 0; j < 4; j++) {
        Vector column[4] = {};
        for (int64_t part = 0; part < parts; part++) {
          const float* from = sums + (16 * part + j) * plane + output * inputs + input;
          UNROLL for (int i = 0; i < 4; i++) column[i] += load(from + 4 * i * plane);
        }
        finish_column(column, half[j]);
      }
      for (int i = 0; i < 3; i++) {
        const Vector row[] = {half[0][i], half[1][i], half[2][i], half[3][i]};
        Vector g[3];
        finish_column(row, g);
        T* to = static_cast<T*>(weight_gradient) + (output * 9 + 3 * i) * inputs + input;
        for (int j = 0; j < 3; j++) Number::store(to + j * inputs, g[j]);
      }
    }
  }
}

} // namespace

const winograd::Kernels winograd::KERNELS = {pack, scratch, convolve, accumulate, finish};
