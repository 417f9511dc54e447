# Runs with --rig and --data of this folder; see scenarios/docs/vendor.md.
Feature: Devices of another maker, attached with data files alone
  Another battery bus and another PCS register list, with other signs, offsets and word orders, serve the same controllers.

  Scenario: Power goes the way it was asked for, and the battery knows it
    Given the plant is in operation
    And the BAU reports no alarm of level 3 throughout
    When the operator asks for -60 kW
    Then within 10 s the PCS takes at least 55 kW
    When the operator asks for 60 kW
    Then within 10 s the PCS delivers at least 55 kW
    When the plant charges at 0.45 C until the state of charge has risen by 1 %
    Then within 10 s the PCS delivers no power
    And the state of charge reported by the BAU is within 5 % of the true one
    And still the PCS is running

  Scenario: The last cell of the last page trips it
    Given the plant charges at 0.4 C
    When the voltage measured at cell 44 of pack 5 in cluster 1 reads 3.72 V
    Then within 3 s the BCU of cluster 1 reports an alarm of level 3
    And within 3 s the contactors of every cluster are open

  Scenario: A warm sensor near the end of its page is read with its offset
    Given the plant discharges at 0.4 C
    When temperature sensor 22 of pack 3 in cluster 1 reads 61 °C
    Then within 12 s the BCU of cluster 1 reports an alarm of level 3
    And within 12 s the contactors of every cluster are open

  Scenario: A slave whose frames arrive corrupted counts as silent, for its checksums are wrong
    Given the plant is in operation
    When fault can-corrupt with bits 3 hits container-01/cluster-01/pack-02/bmu
    Then within 7 s the BCU of cluster 1 reports an alarm of level 3
    And within 8 s the contactors of every cluster are open

  Scenario: The PCS stops when its register server is cut off
    Given the plant discharges at 0.4 C
    When fault modbus-silence hits container-01/pcs
    Then within 5 s the PCS delivers no power
