//! What a server's certificate has to prove, as `sslmode` says.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// `sslmode`. `allow` is `disable`: this store never speaks TLS as a second try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Disable,
    /// TLS if the server offers it.
    Prefer,
    /// TLS, with whatever certificate.
    Require,
    /// An authority must have signed the certificate.
    VerifyCa,
    /// And it must name this server.
    VerifyFull,
}

/// Each a path, or the PEM text itself.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// The authorities that may sign the server's certificate, instead of the public ones.
    pub(crate) authorities: Option<String>,
    /// The client's certificate, and the key that proves it.
    pub(crate) certificate: Option<String>,
    pub(crate) key: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) files: Files,
}

impl Mode {
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        match word.to_ascii_lowercase().as_str() {
            "disable" | "allow" => Ok(Self::Disable),
            "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" | "verify_ca" => Ok(Self::VerifyCa),
            "verify-full" | "verify_full" => Ok(Self::VerifyFull),
            _ => Err(format!(
                "sslmode {word:?} is none of disable, allow, prefer, require, verify-ca, verify-full"
            )),
        }
    }
}

pub(crate) fn config(Settings { mode, files }: &Settings) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let chain = match mode {
        Mode::VerifyCa | Mode::VerifyFull => {
            let roots = Arc::new(authorities(files.authorities.as_deref())?);
            let chain = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            Some(chain.map_err(|error| error.to_string())?)
        }
        // These ask for an encrypted connection, not for the server's identity.
        Mode::Disable | Mode::Prefer | Mode::Require => None,
    };
    let verifier =
        Verifier { chain, checks_name: *mode == Mode::VerifyFull, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => {
            let key = match inline(key) {
                Some(pem) => PrivateKeyDer::from_pem_slice(pem),
                None => PrivateKeyDer::from_pem_file(key),
            };
            let key = key.map_err(|error| format!("sslkey cannot be read: {error}"))?;
            let chain = certificates("sslcert", certificate)?;
            config.with_client_auth_cert(chain, key).map_err(|error| format!("sslcert: {error}"))
        }
        (None, None) => Ok(config.with_no_client_auth()),
        _ => Err("sslcert and sslkey go together; give both or neither".to_owned()),
    }
}

fn authorities(files: Option<&str>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match files {
        Some(file) => {
            for certificate in certificates("sslrootcert", file)? {
                roots.add(certificate).map_err(|error| format!("sslrootcert: {error}"))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    Ok(roots)
}

fn certificates(what: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = match inline(file) {
        Some(pem) => CertificateDer::pem_slice_iter(pem).collect(),
        None => CertificateDer::pem_file_iter(file).and_then(Iterator::collect),
    };
    read.map_err(|error| format!("{what} cannot be read: {error}"))
}

fn inline(file: &str) -> Option<&[u8]> {
    file.trim_start().starts_with("-----BEGIN").then_some(file.as_bytes())
}

/// What a certificate has to prove.
#[derive(Debug)]
struct Verifier {
    /// That an authority has signed it.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// That it names this server.
    checks_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(certificate, intermediates, server, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
