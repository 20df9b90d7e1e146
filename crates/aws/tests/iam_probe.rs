//! Placeholder while compiling.
mod support;
#[tokio::test]
async fn starts() {
    for peer in [support::ministack().await, support::moto().await] {
        let identity = peer.connection().await.identity().await.expect("identity");
        assert_eq!(identity.account.len(), 12);
    }
}
