//! The orthogonalisation of Muon's steps: [`orthogonal`].

use tch::Tensor;

use crate::common::Result;

/// Nearly the closest matrix with orthonormal rows, or columns if there are fewer: [R, C] in and out. From G = U S V',
/// about U V', with singular values between 0.7 and 1.2: five steps of Newton and Schulz's iteration with
/// the coefficients of Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
///
/// A step is X ← P X with P = a I + b S + c S² and S = X X'. All of these commute, so that S ← P² S. The iteration
/// therefore multiplies square matrices of the smaller side alone, and X once at its end: 2.6 times fewer
/// multiplications for a 3×3 convolution with as many outputs as inputs.
pub(super) fn orthogonal(matrix: &Tensor) -> Result<Tensor> {
    const STEPS: usize = 5;
    let [a, b, c] = [3.4445, -4.7750, 2.0315];
    let (rows, columns) = matrix.size2()?;
    let tall = rows > columns;
    let norm = matrix.f_norm()?.f_clamp_min(1e-7)?;
    let mut xs = matrix.f_div(&norm)?;
    if tall {
        xs = xs.f_transpose(0, 1)?;
    }
    let mut square = xs.f_matmul(&xs.f_transpose(0, 1)?)?;
    let identity = Tensor::f_eye(rows.min(columns), (square.kind(), square.device()))?;
    let mut product: Option<Tensor> = None;
    for step in 1..=STEPS {
        let polynomial = square
            .f_matmul(&square)?
            .f_mul_scalar(c)?
            .f_add(&square.f_mul_scalar(b)?)?
            .f_add(&identity.f_mul_scalar(a)?)?;
        if step < STEPS {
            square = polynomial.f_matmul(&polynomial.f_matmul(&square)?)?;
        }
        product = Some(match product {
            None => polynomial,
            Some(product) => polynomial.f_matmul(&product)?,
        });
    }
    if let Some(product) = product {
        xs = product.f_matmul(&xs)?;
    }
    Ok(if tall { xs.f_transpose(0, 1)? } else { xs })
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn singular_values_become_about_one_and_directions_stay() {
        tch::manual_seed(4);
        for size in [[32, 9], [32, 288], [64, 64], [256, 4608]] {
            let matrix = Tensor::randn(size, (Kind::Float, Device::Cpu)) * 1e-3;
            let near = orthogonal(&matrix).unwrap();
            assert_eq!(near.size(), size);
            let (u, _, v) = matrix.svd(true, true);
            let (_, values, _) = near.svd(true, true);
            let largest = values.max().double_value(&[]);
            // A square matrix has singular values near 0, which five steps don't bring up.
            let least = if size[0] == size[1] { 0.0 } else { 0.6 };
            assert!(largest < 1.25 && values.min().double_value(&[]) > least, "{values:?}");
            let cosine = (u.matmul(&v.transpose(0, 1)) * &near).sum(Kind::Float)
                / near.norm().square()
                * near.norm()
                / (size[0].min(size[1]) as f64).sqrt();
            assert!(cosine.double_value(&[]) > 0.95, "{size:?}: {cosine}");
        }
        let zero = Tensor::zeros([4, 8], (Kind::Float, Device::Cpu));
        assert_eq!(orthogonal(&zero).unwrap(), zero);
    }
}
