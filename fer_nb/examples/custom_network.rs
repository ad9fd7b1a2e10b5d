//! A custom network from the crate's layers: trained, evaluated and exported to ONNX.
//!
//!     cargo run --example custom_network [FILE.onnx]
//!
//! The data are made-up faces, so it needs no download; two epochs take some seconds.

use fer_nb::deploy::export::Exported;
use fer_nb::model::layers::{BatchNorm, Conv, Dense, dropout, global_mean, max_pool};
use fer_nb::model::{Operation, Parameters, ParametersBuilder, Plan};
use fer_nb::prelude::*;

/// Two convolutions with batch normalisation, the mean of each channel, and a dense layer.
struct TinyNet {
    parameters: Parameters,
    convolutions: [(Conv, BatchNorm); 2],
    output: Dense,
}

impl TinyNet {
    fn new(device: Device, seed: u64) -> Result<Self> {
        let mut builder = ParametersBuilder::default();
        let convolutions = [(1, 1, 32), (2, 32, 64)].map(|(index, input, output)| {
            let conv = Conv::new(&mut builder, format!("conv{index}"), [input, output], 3, 1);
            (conv, BatchNorm::new(&mut builder, format!("norm{index}"), output))
        });
        let output = Dense::new(&mut builder, "output", [64, 7]);
        Ok(Self { parameters: builder.build(device, seed)?, convolutions, output })
    }
}

impl Network for TinyNet {
    fn name(&self) -> &'static str {
        "tiny_net"
    }

    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let parameters = &self.parameters;
        let mut xs = images.f_to_kind(parameters.kind())?; // bfloat16 if the trainer selected it
        for (conv, norm) in &self.convolutions {
            xs = norm.forward(parameters, &conv.forward(parameters, &xs)?, train)?.f_relu_()?;
            xs = max_pool(&xs)?;
        }
        let means = dropout(&global_mean(&xs)?, 0.2, train)?;
        Ok(self.output.forward(parameters, &means)?.f_to_kind(Kind::Float)?)
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    // The source of the summary and the ONNX file.
    fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        for (index, (conv, norm)) in (1..).zip(&self.convolutions) {
            plan = plan
                .layer(conv.name(), [conv.operation()])
                .layer(norm.name(), [norm.operation(), Operation::Relu])
                .layer(format!("pool{index}"), [Operation::MaxPool]);
        }
        plan.layer("mean", [Operation::GlobalMean])
            .layer("dropout", [Operation::Dropout])
            .layer(self.output.name(), [self.output.operation()])
    }
}

fn main() -> Result<()> {
    let network = TinyNet::new(Device::Cpu, 42)?;
    println!("{}\n", network.summary());

    let data = FaceData::sample(SampleConfig { train: 700, ..SampleConfig::default() })?;
    let config = TrainConfig { epochs: 2, learning_rate: 3e-3, ..TrainConfig::default() };
    let mut trainer = Trainer::new(network, config)?;
    println!("{}\n", trainer.fit(&data)?);
    println!("{}", trainer.evaluate(&data.test)?.classification_report());

    if let Some(path) = std::env::args().nth(1) {
        let temperature = Temperature::default();
        let exported = Exported { network: trainer.network(), temperature, about: &[] };
        exported.save_onnx(&path, false)?;
        println!("\nwritten to {path}");
    }
    Ok(())
}
